// What goes before the layers of the Donsker-Varadhan critic: packed weights, and rows of a chunk.
// Grids here and in the other mine_*.cuh: x and y as said; z is the member.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/mine_tasks.h"
#include "csrc/cuda/tensor_core.cuh"

namespace midiff::cuda {

inline constexpr int kMineThreads = 256;  // of the kernels that are no products

// Shared memory of those that have any: a number per thread.
MF_HD int64_t mine_block_shared_bytes() {
  return kMineThreads * static_cast<int64_t>(sizeof(double));
}

// Grid: x over width · the largest of width, padded inputs, A + B.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kMineThreads) mine_pack(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  const int64_t H = l.hidden;
  if (i < l.width * l.width) {
    const int64_t row = i / l.width, column = i % l.width;
    const bool inside = row < H && column < H;
    task.hidden[i] = inside ? for_products<kProducts>(task.weight_h[row * H + column]) : T(0);
    task.back[i] =
        inside ? for_products<kProducts>(task.weight_out[column] * task.weight_h[column * H + row])
               : T(0);
  }
  if (i < l.width * l.a_width) {
    const int64_t row = i / l.a_width, column = i % l.a_width;
    task.first_a[i] = row < H && column < l.a_size
                          ? for_products<kProducts>(task.weight_a[row * l.a_size + column])
                          : T(0);
  }
  if (i < l.width * l.b_width) {
    const int64_t row = i / l.b_width, column = i % l.b_width;
    const T value = row >= H             ? T(0)
                    : column < l.b_size  ? task.weight_b[row * l.b_size + column]
                    : column == l.b_size ? task.bias_a[row] + task.bias_b[row]
                                         : T(0);
    task.first_b[i] = for_products<kProducts>(value);
  }
  if (i < (l.a_size + l.b_size) * l.width) {
    const int64_t row = i / l.width, column = i % l.width;
    const T value = column >= H      ? T(0)
                    : row < l.a_size ? task.weight_a[column * l.a_size + row]
                                     : task.weight_b[column * l.b_size + row - l.a_size];
    task.into_inputs[i] = for_products<kProducts>(value);
  }
}

// What there is one of per unit. Warps take every eighth row of W_h: one thread per column would
// wait for as many loads as there are units. Grid: x over `padded` in 32s.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_pack_units(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t H = l.hidden;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t unit = blockIdx.x * int64_t{kWarp} + lane;
  T* shared = shared_memory<T>();
  T part = 0;
  if (unit < H)
    for (int64_t h = warp; h < H; h += kMineThreads / kWarp)
      part += task.weight_out[h] * task.weight_h[h * H + unit];
  shared[threadIdx.x] = part;
  __syncthreads();
  if (warp != 0) return;
  T sum = 0;
  for (int i = 0; i < kMineThreads / kWarp; ++i) sum += shared[i * kWarp + lane];
  task.back_sums[unit] = sum;
  task.hidden_bias[unit] = unit < H ? task.bias_h[unit] : T(0);
  task.out[unit] = unit < H ? task.weight_out[unit] : T(0);
}

// Rows of the chunk that begins at sample `start`. Grid: x over chunk · (a_width + 2 b_width).
template <class T, Products kProducts>
__global__ void __launch_bounds__(kMineThreads) mine_gather(MineTask<T> all, int64_t start) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  if (i < l.chunk * l.a_width) {
    const int64_t row = start + i / l.a_width, column = i % l.a_width;
    task.x[i] = row < l.samples && column < l.a_size
                    ? for_products<kProducts>(task.a[row * l.a_size + column])
                    : T(0);
    return;
  }
  i -= l.chunk * l.a_width;
  if (i >= kHalves * l.chunk * l.b_width) return;
  const int64_t half = i / (l.chunk * l.b_width), column = i % l.b_width;
  const int64_t row = start + i / l.b_width % l.chunk;
  T value = 0;
  if (row < l.samples && column < l.b_size)
    value = half == 0 ? task.b[row * l.b_size + column]
                      : task.marginal_b[task.permutation[row] * l.b_size + column];
  if (row < l.samples && column == l.b_size) value = T(1);
  task.y[i] = for_products<kProducts>(value);
}

}  // namespace midiff::cuda
