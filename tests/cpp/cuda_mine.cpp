// The Donsker-Varadhan kernels on the emulated device, tensor cores included, against the
// definition: value and all gradients, for each way to make the products.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "tests/cpp/cuda_mine_definition.h"

namespace {

using midiff::emulated::Order;
using namespace midiff::cuda;
using namespace midiff::test;

// Samples in chunks of `chunk`.
MineLayout chunks_of(const Shape& s, int64_t chunk) {
  MineLayout l = MineLayout::of(s.samples, s.a_size, s.b_size, s.hidden);
  l.chunk = chunk;
  l.chunks = (s.samples + chunk - 1) / chunk;
  l.row_blocks = chunk / 256;
  l.splits = 2;
  l.input_splits = 1;
  return l;
}

void test_double(const Shape& shape, int64_t chunk, bool races) {
  const Arguments<double> x(shape);
  const auto once = [&](Order order) {
    return run<double, Products::kHighest>(shape, x, chunks_of(shape, chunk), order);
  };
  const Results<double> got = once(Order::kForward);
  MF_EXPECT(error(got, define(shape, x)) < 1e-11);
  if (races) MF_EXPECT(got == once(Order::kShuffled));
}

void test_highest(const Shape& shape, int64_t chunk, double limit) {
  const Arguments<float> x(shape);
  const auto got =
      run<float, Products::kHighest>(shape, x, chunks_of(shape, chunk), Order::kForward);
  MF_EXPECT(error(got, define(shape, x)) < limit);
}

// With slope 1: rounding a sum near 0 to the other side would change a derivative at one go.
void test_high(const Shape& shape, int64_t chunk) {
  const Arguments<float> x(shape);
  const auto got = run<float, Products::kHigh>(shape, x, chunks_of(shape, chunk), Order::kShuffled);
  const double of_high = error(got, define(shape, x));
  MF_EXPECT(of_high < 3e-3 && of_high > 1e-5);  // and it is not "highest" by mistake
}

// In one unit of the second sample: shows in the estimate, and in the gradients of all that it
// feeds.
void test_not_a_number() {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false};
  Arguments<float> x(shape);
  x.a[count(shape.samples * shape.a_size) + 4] = std::numeric_limits<float>::quiet_NaN();
  const auto check = [&](const Results<float>& got) {
    MF_EXPECT(std::isfinite(got[0][0]) && std::isnan(got[0][1]));
    for (size_t i = 4; i < got.size(); ++i) {
      const size_t half = got[i].size() / 2;
      for (size_t k = 0; k < half; ++k)
        MF_EXPECT(std::isfinite(got[i][k]) && std::isnan(got[i][half + k]));
    }
  };
  check(run<float, Products::kHighest>(shape, x, chunks_of(shape, 256), Order::kForward));
  check(run<float, Products::kHigh>(shape, x, chunks_of(shape, 256), Order::kForward));
}

// Nobody looks at the permutation beforehand: an index out of range is read and written nowhere.
void test_no_permutation() {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false, 0.5};
  Arguments<float> x(shape);
  x.permutation[3] = 60;
  x.permutation[60] = -1;
  const auto got = run<float, Products::kHighest>(shape, x, chunks_of(shape, 256), Order::kForward);
  MF_EXPECT(std::isnan(got[0][0]) && std::isnan(got[0][1]));
}

}  // namespace

int main() {
  test_double({1, 40, 3, 2, 7, 0.0, false}, 256, false);
  test_double({2, 300, 5, 17, 33, 0.2, true, 0.5}, 256, true);  // two chunks, the second one short
  test_double({2, 70, 6, 8, 9, 0.2, false, 0.5}, 256, false);
  test_double({1, 60, 5, 6, 130, 0.3, false}, 256, false);  // two tiles of units
  // 2.3e-6 if sums were left to tensor cores.
  test_highest({1, 200, 5, 6, 20, 0.1, false}, 256, 1e-6);
  test_highest({1, 150, 40, 60, 130, 0.1, true}, 256, 3e-6);
  test_high({1, 200, 5, 6, 20, 1.0, false}, 256);
  // Two chunks and two members.
  test_highest({2, 300, 5, 6, 20, 0.1, true, 0.5}, 256, 1e-6);
  test_high({2, 300, 5, 6, 20, 1.0, true}, 256);
  test_not_a_number();
  test_no_permutation();
}
