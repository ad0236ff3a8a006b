// Launching a kernel: what every .cu file does the same way.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "csrc/cuda/errors.h"
#include "csrc/cuda/weight_sums.cuh"

namespace midiff::cuda {

// A grid's first axis reaches 2^31 - 1 blocks, the others 65,535.
inline dim3 blocks_of(int64_t x, int64_t y = 1, int64_t z = 1) {
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z));
}

inline constexpr int kPlainThreads = 256;  // of a plain kernel whose warps take rows

// Threads of a plain kernel: one a unit, in whole warps, up to 512.
inline int plain_threads(int64_t units) {
  return static_cast<int>(std::min<int64_t>(512, (units + 31) / 32 * 32));
}

// Of the current device; 0 if there is no telling.
inline int64_t attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  if (taken(cudaGetDevice(&device)) != cudaSuccess) return 0;
  return taken(cudaDeviceGetAttribute(&value, which, device)) == cudaSuccess ? value : 0;
}

// The shared memory a block can have at most.
inline int64_t most_shared_bytes() { return attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin); }

inline int64_t multiprocessors() { return attribute(cudaDevAttrMultiProcessorCount); }

// Blocks get more than 48 KB of shared memory only when their kernel asks for it.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, int64_t shared_bytes,
                   cudaStream_t stream, const Arguments&... arguments) {
  if (shared_bytes > 48 * 1024) {
    const cudaError_t error = taken(cudaFuncSetAttribute(
        reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
        static_cast<int>(shared_bytes)));
    if (error != cudaSuccess) return error;
  }
  kernel<<<grid, threads, static_cast<size_t>(shared_bytes), stream>>>(arguments...);
  return cudaGetLastError();
}

// See weight_sums.cuh. left: [E, rows, left], partial: [E, chunks, left, right], out: [E, left,
// right], to which the sums are added if `adds`.
template <class T, class Right>
cudaError_t launch_weight_sums(const T* left, const Right& right, int64_t members, int64_t rows,
                               int64_t left_size, int64_t right_size, T scale, T* partial, T* out,
                               bool adds, cudaStream_t stream) {
  const int64_t chunks = sum_chunks(rows), size = left_size * right_size;
  const dim3 grid = blocks_of(sum_tiles(left_size) * sum_tiles(right_size), chunks, members);
  const cudaError_t error =
      launch(partial_sums<T, Right>, grid, kSumThreads, sum_shared_bytes<T>(), stream, left, right,
             rows, static_cast<int>(left_size), static_cast<int>(right_size), partial);
  if (error != cudaSuccess) return error;
  return launch(add_chunks<T>, blocks_of((size + kSumThreads - 1) / kSumThreads, members),
                kSumThreads, 0, stream, static_cast<const T*>(partial), chunks, size, scale, adds,
                out);
}

}  // namespace midiff::cuda
