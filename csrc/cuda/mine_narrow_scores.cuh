// The layers of a narrow critic: a warp takes 16 samples, joint and product, through both, with
// units and weights in shared memory.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_narrow_product.cuh"
#include "csrc/cuda/mine_prepare.cuh"

namespace midiff::cuda {

inline constexpr int kNarrowSamples = 16 * kNarrowWarps;  // of a block at a time

namespace narrow {

inline constexpr int kFirstWeights = kNarrowUnits * kNarrowInputs;  // of a, and as many of b

__device__ __forceinline__ void copy_first_weights(const MineTask<float>& task, float* shared) {
  copy_in(shared, task.first_a, kFirstWeights);
  copy_in(shared + kFirstWeights, task.first_b, kFirstWeights);
}

// Sums inside the first layer of 16 samples from `sample`, [half]. weights: as above.
template <Products kProducts>
__device__ __forceinline__ void first_layer(const MineTask<float>& task, int64_t sample,
                                            const float* weights,
                                            float (&sums)[kHalves][kUnitTiles][4]) {
  const MineLayout& l = task.layout;
  const AlongRows<kNarrowInputs> of_a(weights, 0), of_b(weights + kFirstWeights, 0);
  float of_x[1][kUnitTiles][4];
  clear(of_x);
  const AlongRows<kNarrowInputs> x(task.x + sample * kNarrowInputs, 0);
  const int a_steps = static_cast<int>(l.a_size + 7) / 8;
  float a[1][4], next_a[1][4];
  x.left(0, next_a[0]);
#pragma unroll 1
  for (int step = 0; step < a_steps; ++step) {
#pragma unroll
    for (int k = 0; k < 4; ++k) a[0][k] = next_a[0][k];
    x.left(step + 1 < a_steps ? step + 1 : step, next_a[0]);
    multiply<kProducts>(of_x, a, [&](int j, float (&b)[2]) { of_a.right(j, step, b); });
  }
#pragma unroll
  for (int half = 0; half < kHalves; ++half)
#pragma unroll
    for (int j = 0; j < kUnitTiles; ++j)
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[half][j][k] = of_x[0][j][k];
  const AlongRows<kNarrowInputs> joint(task.y + sample * kNarrowInputs, 0);
  const AlongRows<kNarrowInputs> product(task.y + (l.chunk + sample) * kNarrowInputs, 0);
  const int b_steps = static_cast<int>(l.b_size + 8) / 8;  // with the 1
  float y[kHalves][4], next[kHalves][4];
  joint.left(0, next[0]);
  product.left(0, next[1]);
#pragma unroll 1
  for (int step = 0; step < b_steps; ++step) {
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int k = 0; k < 4; ++k) y[half][k] = next[half][k];
    const int ahead = step + 1 < b_steps ? step + 1 : step;
    joint.left(ahead, next[0]);
    product.left(ahead, next[1]);
    multiply<kProducts>(sums, y, [&](int j, float (&b)[2]) { of_b.right(j, step, b); });
  }
}

// Which of the units of tiles [first, first + 4) are above 0, of row g or g + 8: in all four lanes.
template <int kAcross>
__device__ __forceinline__ uint32_t active_word(const float (&sums)[kAcross][4], int first,
                                                int below) {
  uint32_t word = 0;
#pragma unroll
  for (int j = 0; j < 4 && first + j < kAcross; ++j)
#pragma unroll
    for (int k = 0; k < 2; ++k)
      if (sums[first + j][2 * below + k] > 0) word |= 1u << (8 * j + k);
  word <<= 2 * t();
  word |= __shfl_xor_sync(kWholeWarp, word, 1);
  word |= __shfl_xor_sync(kWholeWarp, word, 2);
  return word;
}

// A row's four words of bits are written by its four lanes.
struct ActiveWords {
  uint32_t word[kHalves][2] = {};

  __device__ __forceinline__ void set(int half, int below, int number, uint32_t value) {
    if (t() == number) word[half][below] = value;
  }
  __device__ __forceinline__ void store(uint32_t* bits, int64_t chunk, int64_t sample) const {
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below)
        bits[(half * chunk + sample + g() + 8 * below) * 4 + t()] = word[half][below];
  }
};

}  // namespace narrow

inline int64_t narrow_scores_shared_bytes() {
  return (2 * narrow::kFirstWeights + (kNarrowUnits + kHalves * kNarrowSamples) * kNarrowUnits) * 4;
}

// Scores, and bits of both layers. A warp goes its own way: it waits for no other.
// Grid: x over parts.
template <Products kProducts>
__global__ void __launch_bounds__(kNarrowThreads) mine_narrow_scores(MineTask<float> all) {
  using namespace narrow;
  const MineTask<float> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  float* shared = shared_memory<float>();
  float* hidden = shared + 2 * kFirstWeights;
  // Of this warp: [half, sample, unit].
  float* h = hidden + kNarrowUnits * kNarrowUnits + warp() * kHalves * 16 * kNarrowUnits;
  copy_first_weights(task, shared);
  copy_in(hidden, task.hidden, kNarrowUnits * kNarrowUnits);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  const PartTiles tiles(l, kNarrowSamples);
#pragma unroll 1
  for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const int64_t sample = tile * kNarrowSamples + 16 * warp();
    float sums[kHalves][kUnitTiles][4];
    first_layer<kProducts>(task, sample, shared, sums);
    ActiveWords first_bits, second_bits;
    float scores[kHalves][2] = {};
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        float* out = h + (16 * half + g() + 8 * below) * kNarrowUnits + 2 * t();
#pragma unroll
        for (int word = 0; word < 4; ++word)
          first_bits.set(half, below, word, active_word(sums[half], 4 * word, below));
#pragma unroll
        for (int j = 0; j < kUnitTiles; ++j)
          two_at(out + 8 * j) = {
              for_products<kProducts>(leaky_relu(sums[half][j][2 * below], task.slope)),
              for_products<kProducts>(leaky_relu(sums[half][j][2 * below + 1], task.slope))};
      }
    first_bits.store(task.first_bits, l.chunk, sample);
    __syncwarp();
    clear(sums);
    const AlongRows<kNarrowUnits> joint(h, 0), product(h, 16), weights(hidden, 0);
#pragma unroll 1
    for (int step = 0; step < kUnitTiles; ++step) {
      float a[kHalves][4];
      joint.left(step, a[0]);
      product.left(step, a[1]);
      multiply<kProducts>(sums, a, [&](int j, float (&b)[2]) { weights.right(j, step, b); });
    }
    __syncwarp();  // before the next samples' units
#pragma unroll
    for (int j = 0; j < kUnitTiles; ++j) {
      const Two<float> bias = two_at(task.hidden_bias + 8 * j + 2 * t());
      const Two<float> out = two_at(task.out + 8 * j + 2 * t());
#pragma unroll
      for (int half = 0; half < kHalves; ++half)
#pragma unroll
        for (int below = 0; below < 2; ++below) {
          float (&z)[4] = sums[half][j];
          z[2 * below] += bias.first;
          z[2 * below + 1] += bias.second;
          scores[half][below] += out.first * leaky_relu(z[2 * below], task.slope);
          scores[half][below] += out.second * leaky_relu(z[2 * below + 1], task.slope);
        }
    }
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below)
#pragma unroll
        for (int word = 0; word < 4; ++word)
          second_bits.set(half, below, word, active_word(sums[half], 4 * word, below));
    second_bits.store(task.second_bits, l.chunk, sample);
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        const float score = group_sum<4>(scores[half][below]);
        if (t() == 0) task.score_parts[half * l.chunk + sample + g() + 8 * below] = score;
      }
  }
}

}  // namespace midiff::cuda
