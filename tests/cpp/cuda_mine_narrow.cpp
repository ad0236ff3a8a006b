// The Donsker-Varadhan kernels for narrow critics on the emulated device, tensor cores included,
// against the definition: value and all gradients, for each way to make the products.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "tests/cpp/cuda_mine_definition.h"

namespace {

using midiff::emulated::Order;
using namespace midiff::cuda;
using namespace midiff::test;

// Samples in up to `parts` parts.
MineLayout parts_of(const Shape& s, int64_t parts) {
  MF_EXPECT(MineLayout::fits_narrow(s.a_size, s.b_size, s.hidden));
  MineLayout l = MineLayout::narrow_of(s.samples, s.a_size, s.b_size, s.hidden);
  l.splits = l.input_splits = std::min(l.splits, parts);
  return l;
}

template <Products kProducts = Products::kHighest>
Results<float> once(const Shape& shape, int64_t parts, Order order = Order::kForward,
                    Wanted wanted = {}) {
  return run<float, kProducts>(shape, Arguments<float>(shape), parts_of(shape, parts), order,
                               wanted);
}

void test_highest(const Shape& shape, int64_t parts, double limit) {
  const auto got = once(shape, parts);
  MF_EXPECT(error(got, define(shape, Arguments<float>(shape))) < limit);
}

// With slope 1: rounding a sum near 0 to the other side would change a derivative at one go.
void test_high(const Shape& shape, int64_t parts) {
  const auto got = once<Products::kHigh>(shape, parts, Order::kShuffled);
  const double of_high = error(got, define(shape, Arguments<float>(shape)));
  MF_EXPECT(of_high < 3e-3 && of_high > 1e-5);  // and it is not "highest" by mistake
}

// The same bits whatever else is asked for, and in any order of the threads.
void test_wanted(const Shape& shape) {
  const auto all = once<Products::kHigh>(shape, 2);
  const auto equal = [&](const Results<float>& got, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) MF_EXPECT(got[i] == all[i]);
  };
  equal(once<Products::kHigh>(shape, 2, Order::kShuffled, {true, false}), 0, 4);
  const auto of_weights = once<Products::kHigh>(shape, 2, Order::kBackward, {false, true});
  equal(of_weights, 0, 1);
  equal(of_weights, 4, all.size());
  equal(once<Products::kHigh>(shape, 2, Order::kForward, {false, false}), 0, 1);
}

// Of the first member alone, and of both.
void test_alone(const Shape& both) {
  Shape one = both;
  one.members = 1;
  Arguments<float> x(both);
  const auto together = run<float, Products::kHigh>(both, x, parts_of(both, 3), Order::kForward);
  const auto alone = run<float, Products::kHigh>(one, x, parts_of(one, 3), Order::kForward);
  for (size_t i = 0; i < alone.size(); ++i)
    MF_EXPECT(std::equal(alone[i].begin(), alone[i].end(), together[i].begin()));
}

// In one unit of the second member: shows in all that it feeds.
template <Products kProducts>
void test_not_a_number() {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false};
  Arguments<float> x(shape);
  x.a[count(shape.samples * shape.a_size) + 4] = std::numeric_limits<float>::quiet_NaN();
  const auto got = run<float, kProducts>(shape, x, parts_of(shape, 1), Order::kForward);
  MF_EXPECT(std::isfinite(got[0][0]) && std::isnan(got[0][1]));
  for (size_t i = 4; i < got.size(); ++i) {
    const size_t half = got[i].size() / 2;
    for (size_t k = 0; k < half; ++k)
      MF_EXPECT(std::isfinite(got[i][k]) && std::isnan(got[i][half + k]));
  }
}

// Nobody looks at the permutation beforehand: an index out of range is read and written nowhere.
void test_no_permutation(bool marginal) {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, marginal, 0.5};
  Arguments<float> x(shape);
  x.permutation[3] = 60;
  x.permutation[60] = -1;
  const auto got = run<float, Products::kHigh>(shape, x, parts_of(shape, 1), Order::kForward);
  MF_EXPECT(std::isnan(got[0][0]) && std::isnan(got[0][1]));
}

}  // namespace

int main() {
  test_highest({1, 1, 1, 1, 1, 0.25, false}, 1, 1e-6);
  test_highest({1, 60, 56, 55, 104, 0.25, true, 0.5}, 1, 1e-6);  // no padding
  test_highest({1, 130, 50, 49, 100, 0.25, false}, 2, 1e-6);     // two parts of tiles
  test_highest({1, 140, 3, 6, 16, 0.0, false, 0, 60}, 1, 1e-6);  // exp(T) would be infinite
  test_high({1, 130, 5, 6, 20, 1.0, false}, 2);
  test_high({1, 60, 50, 3, 33, 1.0, true}, 1);
  test_wanted({1, 130, 5, 6, 20, 0.1, true});
  test_alone({2, 130, 3, 2, 7, 0.1, false, 0.5});
  test_not_a_number<Products::kHighest>();
  test_not_a_number<Products::kHigh>();
  test_no_permutation(false);
  test_no_permutation(true);
}
