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
  check_highest(shape, chunks_of(shape, chunk), limit);
}

void test_high(const Shape& shape, int64_t chunk) { check_high(shape, chunks_of(shape, chunk)); }

MineLayout one_chunk_of(const Shape& shape) { return chunks_of(shape, 256); }

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
  check_not_a_number<Products::kHighest>(one_chunk_of);
  check_not_a_number<Products::kHigh>(one_chunk_of);
  check_no_permutation<Products::kHighest>(false, one_chunk_of);
}
