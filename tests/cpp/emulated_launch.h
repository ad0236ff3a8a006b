// What the tests of the CUDA kernels share, beside the emulated device.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "csrc/cuda/weight_sums.cuh"
#include "tests/cpp/definition.h"

namespace midiff::test {

inline constexpr int64_t kSharedBytes = 227 * 1024;  // of a block on compute capability 9.0

inline dim3 blocks(int64_t x, int64_t y = 1, int64_t z = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}

// What a kernel has to write: NaN until then.
template <class T>
std::vector<T> unwritten(int64_t size) {
  return std::vector<T>(count(size), std::numeric_limits<T>::quiet_NaN());
}

// See launch_weight_sums in csrc/cuda/launch.cuh.
template <class T, class Right>
void weight_sums(const T* left, const Right& right, int64_t members, int64_t rows,
                 int64_t left_size, int64_t right_size, T scale, bool adds, T* out,
                 emulated::Order order) {
  const int64_t chunks = cuda::sum_chunks(rows), size = left_size * right_size;
  std::vector<T> partial = unwritten<T>(members * chunks * size);
  emulated::launch(
      cuda::partial_sums<T, Right>,
      blocks(cuda::sum_tiles(left_size) * cuda::sum_tiles(right_size), chunks, members),
      {cuda::kSumThreads}, count(cuda::sum_shared_bytes<T>()), order, left, right, rows,
      static_cast<int>(left_size), static_cast<int>(right_size), partial.data());
  emulated::launch(cuda::add_chunks<T>,
                   blocks((size + cuda::kSumThreads - 1) / cuda::kSumThreads, members),
                   {cuda::kSumThreads}, 0, order, static_cast<const T*>(partial.data()), chunks,
                   size, scale, adds, out);
}

}  // namespace midiff::test
