// What goes before the layers of the Donsker-Varadhan critic: packed weights, and rows of a chunk.
// Grids here and in the other mine_*.cuh: x and y as said; z is the member.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/mine_samples.cuh"
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

// Threads that bring in a row of `size` numbers, padded to `width`: by groups, and the padding.
MF_HD constexpr int64_t row_threads(int64_t size, int64_t width) {
  return sample_groups(size) + width - size;
}

// The same of a sample: a, and b of each half.
MF_HD constexpr int64_t gather_threads(const MineLayout& l) {
  return row_threads(l.a_size, l.a_width) + kHalves * row_threads(l.b_size, l.b_width);
}

// What thread `part` of a sample brings into its rows of a, and of b for each half.
template <Products kProducts, class T>
__device__ __forceinline__ void gather(const MineTask<T>& task, int64_t sample, int part, T* x,
                                       T* joint, T* product) {
  const MineLayout& l = task.layout;
  const int of_a = static_cast<int>(row_threads(l.a_size, l.a_width));
  const int of_b = static_cast<int>(row_threads(l.b_size, l.b_width));
  const bool is_a = part < of_a, shuffled = part >= of_a + of_b;
  if (!is_a) part -= shuffled ? of_a + of_b : of_a;
  const int64_t size = is_a ? l.a_size : l.b_size;
  T* out = is_a ? x : shuffled ? product : joint;
  const int64_t padding = part - sample_groups(size);
  const bool inside = sample < l.samples;
  if (padding >= 0) {  // the first one of b is the 1 of the bias
    out[size + padding] = inside && !is_a && padding == 0 ? T(1) : T(0);
    return;
  }
  int64_t from = inside ? sample : 0;
  if (inside && shuffled) from = shuffled_sample(task.permutation, sample, l.samples);
  const bool lost = from < 0;
  if (lost) from = 0;
  // Number by number: a choice between structs would keep the task in local memory.
  const T* data = is_a ? task.a.data : shuffled ? task.marginal_b.data : task.b.data;
  const int64_t stride = is_a ? task.a.sample : shuffled ? task.marginal_b.sample : task.b.sample;
  SampleNoise noise = task.noise;
  if ((shuffled && task.has_marginal) || !inside) noise.seeds = nullptr;
  RandomStream stream = {};
  if (noise) stream = noise.of_a();
  if (!is_a) stream.purpose = noise.purpose_b;
  visit_samples(data + from * stride, size, from, noise, stream, part,
                [&](int64_t variable, T number) {
                  out[variable] = for_products<kProducts>(!inside ? T(0) : lost ? T(NAN) : number);
                });
}

inline constexpr int kGatherRows = 32;  // of a block; a chunk is a multiple

// Grid: x over the chunk in kGatherRows.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kMineThreads) mine_gather(MineTask<T> all, int64_t start) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int threads = static_cast<int>(gather_threads(l));
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kGatherRows * threads; i += kMineThreads) {
    const int64_t row = blockIdx.x * int64_t{kGatherRows} + i / threads;
    T* joint = task.y + row * l.b_width;
    gather<kProducts>(task, start + row, i % threads, task.x + row * l.a_width, joint,
                      joint + l.chunk * l.b_width);
  }
}

}  // namespace midiff::cuda
