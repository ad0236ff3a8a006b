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
  check_highest(shape, parts_of(shape, parts), limit);
}

void test_high(const Shape& shape, int64_t parts) { check_high(shape, parts_of(shape, parts)); }

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

MineLayout one_part_of(const Shape& shape) { return parts_of(shape, 1); }

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
  check_not_a_number<Products::kHighest>(one_part_of);
  check_not_a_number<Products::kHigh>(one_part_of);
  check_no_permutation<Products::kHigh>(false, one_part_of);
  check_no_permutation<Products::kHigh>(true, one_part_of);
}
