// Gradients out of the sums over pairs, when all chunks are known.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_prepare.cuh"

namespace midiff::cuda {

// parts: [sum_halves, splits, size] -> number i of the gradient: joint parts count 1 / S, product
// parts minus the share of the last chunk, whose largest T they are weighed against. Where there is
// one half, it has product pairs in proportion to the joint ones.
template <class T>
__device__ __forceinline__ T join_parts(const MineTask<T>& task, const T* parts, int64_t splits,
                                        int64_t size, int64_t i) {
  double sums[kHalves] = {};
  for (int half = 0; half < task.layout.sum_halves; ++half) {
#pragma unroll 8
    for (int64_t split = 0; split < splits; ++split)
      sums[half] += static_cast<double>(parts[(half * splits + split) * size + i]);
  }
  const double joint_share = 1.0 / static_cast<double>(task.layout.samples);
  return static_cast<T>(joint_share * sums[0] - task.shares[task.layout.chunks - 1] * sums[1]);
}

// Grid: x over width · width and 2 · padded.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_join_hidden(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t size = l.width * l.width, units = 2 * l.padded();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  if (i < size)
    task.hidden_sums[i] = join_parts(task, task.hidden_parts, l.splits, size, i);
  else if (i < size + units)
    task.unit_sums[i - size] = join_parts(task, task.unit_parts, l.splits, units, i - size);
}

// With the slope, and sums over all pairs with their shares, M[h, j] = Σ (slope + (1 - slope)
// active[h]) h_1[j] gives grad W_h = w_out M. The same with 1 for h_1 gives grad b_h; there the
// slope's part is 0, for the shares of joint and product both add up to 1. W_h h + b_h is the sum
// inside a unit, so grad w_out = W_h · M + b_h times the latter. A warp per h. Grid: x over warps.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_hidden_gradients(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t H = l.hidden;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t h = (blockIdx.x * int64_t{kMineThreads} + threadIdx.x) / kWarp;
  if (h >= H) return;
  T of_out = 0;
  for (int64_t j = lane; j < H; j += kWarp) {
    const T m =
        task.slope * task.unit_sums[j] + (1 - task.slope) * task.hidden_sums[h * l.width + j];
    of_out += task.weight_h[h * H + j] * m;
    task.grad_weight_h[h * H + j] = task.weight_out[h] * m;
  }
  of_out = group_sum<kWarp>(of_out);
  if (lane != 0) return;
  const T m = (1 - task.slope) * task.unit_sums[l.padded() + h];
  task.grad_bias_h[h] = task.weight_out[h] * m;
  task.grad_weight_out[h] = of_out + task.bias_h[h] * m;
}

// Grid: x over H · in_width.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_input_gradients(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  const int64_t h = i / l.in_width(), column = i % l.in_width();
  if (h >= l.hidden) return;
  const int64_t of_b = column - l.a_width;
  T* out = column < l.a_size              ? task.grad_weight_a + h * l.a_size + column
           : of_b >= 0 && of_b < l.b_size ? task.grad_weight_b + h * l.b_size + of_b
           : of_b == l.b_size             ? task.grad_bias_first + h
                                          : nullptr;
  if (out != nullptr)
    *out = join_parts(task, task.input_parts, l.input_splits, l.width * l.in_width(), i);
}

// The gradients of all weights. `launch`: as for run_mine.
template <class T, class Launch>
void join_sums(const MineTask<T>& task, const Launch& launch) {
  const MineLayout& l = task.layout;
  const auto over = [&](auto kernel, int64_t items) {
    launch(kernel, (items + kMineThreads - 1) / kMineThreads, 1, task.members, kMineThreads, 0,
           task);
  };
  over(mine_join_hidden<T>, l.width * l.width + 2 * l.padded());
  over(mine_hidden_gradients<T>, l.hidden * kWarp);
  over(mine_input_gradients<T>, l.hidden * l.in_width());
}

inline constexpr int kJoinRows =
    64;  // of a block: a divisor of a chunk, so that they have one share

// The product's parts of the gradients of samples: each row of a and of what was shuffled has one.
// Grid: x over S in blocks of kJoinRows.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_join_rows(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t first = blockIdx.x * int64_t{kJoinRows};
  const unsigned columns = static_cast<unsigned>(l.a_size + l.b_size);
  const unsigned rows =
      static_cast<unsigned>(l.samples - first < kJoinRows ? l.samples - first : kJoinRows);
  const T share = static_cast<T>(task.shares[first / l.chunk]);
  for (unsigned i = threadIdx.x; i < rows * columns; i += kMineThreads) {
    const int64_t sample = first + i / columns, variable = i % columns;
    const T part = share * task.product_gradient[first * columns + i];
    if (variable < l.a_size) {
      task.grad_a[sample * l.a_size + variable] -= part;
      continue;
    }
    const int64_t to = shuffled_sample(task.permutation, sample, l.samples);
    if (to < 0) continue;
    const int64_t at = to * l.b_size + variable - l.a_size;
    if (task.has_marginal)
      task.grad_marginal_b[at] = -part;
    else
      task.grad_b[at] -= part;
  }
}

}  // namespace midiff::cuda
