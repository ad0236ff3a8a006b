// Scores of the pairs, their weights in the gradients, and the estimate.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/cuda/mine_prepare.cuh"

namespace midiff::cuda {

// NaN wins, as in torch: it must not vanish behind a comparison.
struct Larger {
  __device__ __forceinline__ double operator()(double a, double b) const {
    return b > a || b != b ? b : a;
  }
};

// T of each pair; of a block of 256 pairs, its sum (joint) or the largest (product). Grid: x over
// blocks of a half, y: half.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_score(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t half = blockIdx.y, row = blockIdx.x * int64_t{kMineThreads} + threadIdx.x;
  const bool inside = number * l.chunk + row < l.samples;
  T score = 0;
  if (inside)
    for (int64_t tile = 0; tile < l.tiles; ++tile)
      score += task.score_parts[(tile * kHalves + half) * l.chunk + row];
  task.scores[half * l.chunk + row] = score;
  double* shared = shared_memory<double>();
  if (half == 0) {
    const double sum = over_block<kMineThreads>(static_cast<double>(score), shared, Add{});
    if (threadIdx.x == 0) task.block_sums[number * kHalves * l.row_blocks + blockIdx.x] = sum;
  } else {
    const double largest =
        over_block<kMineThreads>(inside ? static_cast<double>(score) : -HUGE_VAL, shared, Larger{});
    if (threadIdx.x == 0) task.block_largest[number * l.row_blocks + blockIdx.x] = largest;
  }
}

// Weights against the largest T up to this chunk. Grid: x over blocks of a half, y: half.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_weigh(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t half = blockIdx.y, row = blockIdx.x * int64_t{kMineThreads} + threadIdx.x;
  const bool inside = number * l.chunk + row < l.samples;
  if (half == 0) {
    task.weights[row] = inside ? T(1) : T(0);
    return;
  }
  double* shared = shared_memory<double>();
  double largest = number > 0 ? task.largest[number - 1] : -HUGE_VAL;
  for (int64_t i = threadIdx.x; i < l.row_blocks; i += kMineThreads)
    largest = Larger{}(largest, task.block_largest[number * l.row_blocks + i]);
  largest = over_block<kMineThreads>(largest, shared, Larger{});
  if (blockIdx.x == 0 && threadIdx.x == 0) task.largest[number] = largest;
  const double weight =
      inside ? std::exp(static_cast<double>(task.scores[l.chunk + row]) - largest) : 0.0;
  task.weights[l.chunk + row] = static_cast<T>(weight);
  const double sum = over_block<kMineThreads>(weight, shared, Add{});
  if (threadIdx.x == 0) task.block_sums[(number * kHalves + 1) * l.row_blocks + blockIdx.x] = sum;
}

// MI, and the share of each chunk's weights in the product's term. Grid: x = 1.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_finish(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  double* shared = shared_memory<double>();
  const double largest = task.largest[l.chunks - 1];
  double joint = 0, product = 0;
#pragma unroll 1
  for (int64_t number = 0; number < l.chunks; ++number) {
    const double scale = std::exp(task.largest[number] - largest);
    if (threadIdx.x == 0) task.shares[number] = scale;
    const double* sums = task.block_sums + number * kHalves * l.row_blocks;
    for (int64_t i = threadIdx.x; i < l.row_blocks; i += kMineThreads) {
      joint += sums[i];
      product += scale * sums[l.row_blocks + i];
    }
  }
  joint = over_block<kMineThreads>(joint, shared, Add{});
  product = over_block<kMineThreads>(product, shared, Add{});
  for (int64_t number = threadIdx.x; number < l.chunks; number += kMineThreads)
    task.shares[number] /= product;
  const double samples = static_cast<double>(l.samples);
  if (threadIdx.x == 0)
    *task.mi = static_cast<T>(joint / samples - (largest + std::log(product) - std::log(samples)));
}

}  // namespace midiff::cuda
