// Sums over pairs for the hidden layer's gradients of a narrow critic. First-layer units are made
// again: 0.06 ms of 500,000 samples in TF32, where writing and reading them would take 0.17 ms.
//
// Weights of pairs are known by now: 1 for the joint ones, minus S times the share for the others.
// So one sum takes both.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_narrow_scores.cuh"

namespace midiff::cuda {
namespace narrow {

// What the pairs of this half are weighted by on top of task.weights.
__device__ __forceinline__ float half_scale(const MineTask<float>& task, int64_t half) {
  return half == 0 ? 1.0f
                   : static_cast<float>(-static_cast<double>(task.layout.samples) * task.shares[0]);
}

}  // namespace narrow

inline int64_t narrow_hidden_shared_bytes() {
  constexpr int64_t kRows = kHalves * kNarrowSamples;
  return (2 * narrow::kFirstWeights + kRows * (kNarrowUnits + 4 + 1)) * 4;
}

// Σ weight h ⊗ active, by 16 units of h a warp; Σ weight h; and Σ weight active by a 105th h that
// is 1. Grid: x over parts.
template <Products kProducts>
__global__ void __launch_bounds__(kNarrowThreads) mine_narrow_hidden_sums(MineTask<float> all) {
  using namespace narrow;
  constexpr int kRows = kHalves * kNarrowSamples;
  const MineTask<float> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  float* first_weights = shared_memory<float>();
  float* weighted = first_weights + 2 * kFirstWeights;  // [half, sample, unit]
  uint32_t* bits = reinterpret_cast<uint32_t*>(weighted + kRows * kNarrowUnits);  // [kRows, 4]
  float* weights = reinterpret_cast<float*>(bits + kRows * 4);                    // [kRows]
  copy_first_weights(task, first_weights);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  const float scale = half_scale(task, 1);
  constexpr int kLastUnit = kNarrowUnits / 16 * 16;  // of the warp that has only 8 units
  const bool sums_up = warp() <= kNarrowUnits / 16, is_last = warp() == kNarrowUnits / 16;
  const float* above = weighted + t() * kNarrowUnits + 16 * warp() + g();
  const float* below = is_last ? weights + t() : above + 8;
  const int below_stride = is_last ? 1 : kNarrowUnits;
  static_assert(kNarrowUnits - kLastUnit == 8);
  float sums[1][kUnitTiles][4], of_units[2] = {};
  clear(sums);
  const PartTiles tiles(l, kNarrowSamples);
#pragma unroll 1
  for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    {
      float h[kHalves][kUnitTiles][4];
      const int64_t sample = tile * kNarrowSamples + 16 * warp();
      first_layer<kProducts>(task, sample, first_weights, h);
#pragma unroll
      for (int half = 0; half < kHalves; ++half)
#pragma unroll
        for (int under = 0; under < 2; ++under) {
          const int row = g() + 8 * under;
          const float weight =
              (half == 0 ? 1.0f : scale) * task.weights[half * l.chunk + sample + row];
          float* out =
              weighted + (half * kNarrowSamples + 16 * warp() + row) * kNarrowUnits + 2 * t();
#pragma unroll
          for (int j = 0; j < kUnitTiles; ++j)
            two_at(out + 8 * j) = {
                for_products<kProducts>(weight * leaky_relu(h[half][j][2 * under], task.slope)),
                for_products<kProducts>(weight *
                                        leaky_relu(h[half][j][2 * under + 1], task.slope))};
        }
    }
    {
      static_assert(kRows == kNarrowThreads);
      const int row = static_cast<int>(threadIdx.x), half = row / kNarrowSamples;
      const int64_t pair = half * l.chunk + tile * kNarrowSamples + row % kNarrowSamples;
      copy_async<16>(bits + row * 4, task.second_bits + pair * 4);
      weights[row] = for_products<kProducts>((half == 0 ? 1.0f : scale) * task.weights[pair]);
      commit_copies();
      wait_copies<0>();
    }
    __syncthreads();
    if (sums_up)
#pragma unroll 2
      for (int step = 0; step < kRows / 8; ++step) {
        const float* upper = above + 8 * step * kNarrowUnits;
        const float* lower = below + 8 * step * below_stride;
        const float a[1][4] = {
            {upper[0], lower[0], upper[4 * kNarrowUnits], lower[4 * below_stride]}};
        of_units[0] += a[0][0] + a[0][2];
        of_units[1] += a[0][1] + a[0][3];
        ActiveBits active[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          active[k] = bits_at(bits, 8 * step + t() + 4 * k);
#pragma unroll
          for (int i = 0; i < 4; ++i) active[k].word[i] >>= g();
        }
        multiply<kProducts, Exact::kRight>(sums, a, [&](int j, float (&b)[2]) {
#pragma unroll
          for (int k = 0; k < 2; ++k) b[k] = number_of_bit(active[k].word[j / 4], j % 4 * 8);
        });
      }
    __syncthreads();
  }
  if (!sums_up) return;
  const int64_t part = blockIdx.x;
  float* hidden = task.hidden_parts + part * l.width * l.width;
  float* units = task.unit_parts + part * 2 * l.padded();
#pragma unroll
  for (int under = 0; under < 2; ++under) {
    const int unit = 16 * warp() + g() + 8 * under;
    const float sum = group_sum<4>(of_units[under]);
    if (unit < kNarrowUnits && t() == 0) units[unit] = sum;
#pragma unroll
    for (int j = 0; j < kUnitTiles; ++j)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int active = 8 * j + 2 * t() + k;
        const float value = sums[0][j][2 * under + k] / kMaskNumber;
        if (unit < kNarrowUnits)
          hidden[active * l.width + unit] = value;
        else if (unit == kNarrowUnits)
          units[l.padded() + active] = value;
      }
  }
}

}  // namespace midiff::cuda
