// What the kernels use of the device beside plain C++: warps, shared memory, asynchronous copies.
//
// A kernel file includes this and nothing else of CUDA. tests/cpp/emulated_cuda.h stands in for the
// device, so that every kernel also runs, thread by thread, on a machine without a GPU.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

#if !defined(__CUDACC__) && !defined(MF_EMULATED_CUDA)
#error "kernels need nvcc, or tests/cpp/emulated_cuda.h before them"
#endif

namespace midiff::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xFFFFFFFFu;

#if defined(__CUDACC__)

// The block's dynamic shared memory, aligned to 16 bytes.
template <class T>
__device__ __forceinline__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char midiff_shared_memory[];
  return reinterpret_cast<T*>(midiff_shared_memory);
}

// Copies 4, 8 or 16 bytes from device to shared memory, both aligned to that size, without waiting.
// The compiler moves no access to memory past these.
template <int bytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(global)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(global), "n"(bytes)
                 : "memory");
}

// Closes the group of copies begun since the last call.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most `pending` of this thread's groups are still on their way. Other threads see
// what has arrived after the next barrier.
template <int pending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

#endif

// Sum over the lanes of a group of `width` (a power of two), in the same order in every lane.
template <int width, class T>
__device__ __forceinline__ T group_sum(T value) {
#pragma unroll
  for (int distance = width / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kWholeWarp, value, distance);
  return value;
}

struct Add {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

// Joins a value of every thread of a block of `threads` (a power of two), by a tree in fixed order:
// in every thread. shared: [threads].
template <int threads, class T, class Join>
__device__ __forceinline__ T over_block(T value, T* shared, const Join& join) {
  const int thread = static_cast<int>(threadIdx.x);
  shared[thread] = value;
  __syncthreads();
#pragma unroll 1
  for (int distance = threads / 2; distance > 0; distance /= 2) {
    if (thread < distance) shared[thread] = join(shared[thread], shared[thread + distance]);
    __syncthreads();
  }
  const T result = shared[0];
  __syncthreads();
  return result;
}

// Sums over the lanes of a group of `width` of `count` numbers, both powers of two, width >= count:
// lane l gets that of number l % count. values[i] of lane l is its share of number i ^ (l % count):
// so every lane sends the same places, and an exchange halves what is left to add.
template <int width, int count, class T>
__device__ __forceinline__ T scattered_sum(T (&values)[count]) {
#pragma unroll
  for (int distance = count / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int i = 0; i < distance; ++i)
      values[i] += __shfl_xor_sync(kWholeWarp, values[i + distance], distance);
#pragma unroll
  for (int distance = count; distance < width; distance *= 2)
    values[0] += __shfl_xor_sync(kWholeWarp, values[0], distance);
  return values[0];
}

}  // namespace midiff::cuda
