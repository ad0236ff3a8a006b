// From a narrow critic's bits of active units to the gradients of its first layer and its samples.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_narrow_sums.cuh"

namespace midiff::cuda {

inline constexpr int kNarrowBackSamples = 64;  // of a block at a time

namespace narrow {

inline constexpr int kBackRows = kHalves * kNarrowBackSamples;
inline constexpr int kBackMatrix = kNarrowUnits * kNarrowUnits;
inline constexpr int kDelta = kBackRows * kNarrowUnits;
inline constexpr int kInputs = (1 + kHalves) * kNarrowBackSamples * kNarrowInputs;
// Rows of [W_a, W_b] that are read, with those behind the last one; nobody looks at theirs.
inline constexpr int kIntoRows = 2 * kNarrowInputs + 8;

// Derivatives by the sums inside the first layer, 16 samples and half of the units a warp.
template <Products kProducts>
__device__ __forceinline__ void first_layer_gradient(const MineTask<float>& task, int64_t first,
                                                     float scale, const float* back, float* delta) {
  const MineLayout& l = task.layout;
  // The 13 tiles of units as 7 and 7: the one in the middle is made twice and written once.
  constexpr int kTiles = (kUnitTiles + 1) / 2;
  const int row = warp() % 4 * 16, first_tile = warp() / 4 * (kTiles - 1);
  const AlongRows<kNarrowUnits> matrix(back, 8 * first_tile);
  float sums[kHalves][kTiles][4];
  clear(sums);
  const uint32_t* bits = task.second_bits + (first + row + g()) * 4;
  uint32_t active[kHalves][2];
#pragma unroll 1
  for (int step = 0; step < kUnitTiles; ++step) {
    float a[kHalves][4];
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        uint32_t& word = active[half][below];
        word = step % 4 == 0 ? bits[(half * l.chunk + 8 * below) * 4 + step / 4] >> 2 * t()
                             : word >> 8;
        a[half][below] = number_of_bit(word, 0);
        a[half][2 + below] = number_of_bit(word, 1);
      }
    multiply<kProducts, Exact::kLeft>(sums, a,
                                      [&](int j, float (&b)[2]) { matrix.right(j, step, b); });
  }
  const float active_share = (1 - task.slope) / kMaskNumber;
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    if (first_tile > 0 && j == 0) continue;
    const int tile = first_tile + j, unit = 8 * tile + 2 * t();
    const Two<float> all_active = two_at(task.back_sums + unit);
#pragma unroll
    for (int half = 0; half < kHalves; ++half)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        const int sample = row + g() + 8 * below;
        const int64_t pair = half * l.chunk + first + sample;
        const float weight = (half == 0 ? 1.0f : scale) * task.weights[pair];
        const uint32_t bits = task.first_bits[pair * 4 + tile / 4] >> (tile % 4 * 8 + 2 * t());
        const auto gradient = [&](float sum, float value, uint32_t is_active) {
          const float outer = task.slope * sum + active_share * value;
          return for_products<kProducts>(weight * outer * (is_active & 1 ? 1.0f : task.slope));
        };
        two_at(delta + (half * kNarrowBackSamples + sample) * kNarrowUnits + unit) = {
            gradient(all_active.first, sums[half][j][2 * below], bits),
            gradient(all_active.second, sums[half][j][2 * below + 1], bits >> 1)};
      }
  }
}

// The sum of the halves: a has one row for both.
template <Products kProducts>
__device__ __forceinline__ void add_halves(const float (&a)[kHalves][4], float (&sum)[1][4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k) sum[0][k] = for_products<kProducts>(a[0][k] + a[1][k]);
}

// sums += deltaᵀ · [x, y], 16 units a warp.
template <Products kProducts>
__device__ __forceinline__ void add_input_sums(const float* delta, const float* inputs,
                                               float (&of_x)[1][kInputTiles][4],
                                               float (&of_y)[1][kInputTiles][4]) {
  const AlongColumns<kNarrowUnits> joint(delta, 16 * warp());
  const AlongColumns<kNarrowUnits> product(delta + kDelta / 2, 16 * warp());
  constexpr int kRows = kNarrowBackSamples * kNarrowInputs;
  const AlongColumns<kNarrowInputs> x(inputs, 0), y(inputs + kRows, 0),
      shuffled(inputs + 2 * kRows, 0);
#pragma unroll 1
  for (int step = 0; step < kNarrowBackSamples / 8; ++step) {
    float a[kHalves][4], both[1][4];
    joint.left(step, a[0]);
    product.left(step, a[1]);
    add_halves<kProducts>(a, both);
    multiply<kProducts>(of_x, both, [&](int j, float (&b)[2]) { x.right(j, step, b); });
    const float a_joint[1][4] = {{a[0][0], a[0][1], a[0][2], a[0][3]}};
    multiply<kProducts>(of_y, a_joint, [&](int j, float (&b)[2]) { y.right(j, step, b); });
    const float a_product[1][4] = {{a[1][0], a[1][1], a[1][2], a[1][3]}};
    multiply<kProducts>(of_y, a_product, [&](int j, float (&b)[2]) { shuffled.right(j, step, b); });
  }
}

// delta · [W_a, W_b], times 1 / S: 16 samples and up to 32 variables of a and of b a warp.
template <Products kProducts>
__device__ __forceinline__ void input_rows(const MineTask<float>& task, int64_t first,
                                           const float* delta, const float* into) {
  const MineLayout& l = task.layout;
  const int a_size = static_cast<int>(l.a_size), b_size = static_cast<int>(l.b_size);
  constexpr int kTiles = 4;
  const int row = warp() % 4 * 16, variable = warp() / 4 * 8 * kTiles;
  if (variable >= a_size && variable >= b_size) return;
  const AlongRows<kNarrowUnits> joint(delta, row), product(delta + kDelta / 2, row);
  const AlongRows<kNarrowUnits> into_a(into, variable), into_b(into, a_size + variable);
  float of_a[1][kTiles][4], of_b[kHalves][kTiles][4];
  clear(of_a);
  clear(of_b);
#pragma unroll 1
  for (int step = 0; step < kUnitTiles; ++step) {
    float a[kHalves][4], both[1][4];
    joint.left(step, a[0]);
    product.left(step, a[1]);
    add_halves<kProducts>(a, both);
    multiply<kProducts>(of_a, both, [&](int j, float (&b)[2]) { into_a.right(j, step, b); });
    multiply<kProducts>(of_b, a, [&](int j, float (&b)[2]) { into_b.right(j, step, b); });
  }
  const float share = static_cast<float>(1.0 / static_cast<double>(l.samples));
#pragma unroll
  for (int below = 0; below < 2; ++below) {
    const int64_t sample = first + row + g() + 8 * below;
    if (sample >= l.samples) continue;
    // Every row of the marginal samples has one pair; one of b has two, and the second one waits.
    float* second = task.product_gradient + sample * b_size;
    if (task.has_marginal) {
      const int64_t to = shuffled_sample(task.permutation, sample, l.samples);
      second = to < 0 ? nullptr : task.grad_marginal_b + to * b_size;
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int column = variable + 8 * j + 2 * t() + k;
        if (column < a_size)
          task.grad_a[sample * a_size + column] = share * of_a[0][j][2 * below + k];
        if (column < b_size) {
          task.grad_b[sample * b_size + column] = share * of_b[0][j][2 * below + k];
          if (second != nullptr) second[column] = share * of_b[1][j][2 * below + k];
        }
      }
  }
}

}  // namespace narrow

inline int64_t narrow_inputs_shared_bytes() {
  return (narrow::kBackMatrix + narrow::kDelta + narrow::kInputs +
          narrow::kIntoRows * kNarrowUnits) *
         4;
}

// Grid: x over parts.
template <Products kProducts>
__global__ void __launch_bounds__(kNarrowThreads) mine_narrow_inputs(MineTask<float> all) {
  using namespace narrow;
  const MineTask<float> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const bool to_inputs = task.grad_a != nullptr, to_weights = task.grad_weight_h != nullptr;
  float* back = shared_memory<float>();
  float* delta = back + kBackMatrix;  // [half, sample, unit]
  float* inputs = delta + kDelta;     // x, joint y, product y: [sample, kNarrowInputs]
  float* into = inputs + kInputs;     // [A + B, unit]
  copy_in(back, task.back, kBackMatrix);
  if (to_inputs)
    copy_in(into, task.into_inputs, static_cast<int>(l.a_size + l.b_size) * kNarrowUnits);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  const float scale = half_scale(task, 1);
  float of_x[1][kInputTiles][4], of_y[1][kInputTiles][4];
  clear(of_x);
  clear(of_y);
  const bool sums_up = to_weights && warp() <= kNarrowUnits / 16;
  const PartTiles tiles(l, kNarrowBackSamples);
#pragma unroll 1
  for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const int64_t first = tile * kNarrowBackSamples;
    constexpr int kRows = kNarrowBackSamples * kNarrowInputs;
    if (to_weights) {
      copy_in(inputs, task.x + first * kNarrowInputs, kRows);
      copy_in(inputs + kRows, task.y + first * kNarrowInputs, kRows);
      copy_in(inputs + 2 * kRows, task.y + (l.chunk + first) * kNarrowInputs, kRows);
      commit_copies();
    }
    first_layer_gradient<kProducts>(task, first, scale, back, delta);
    wait_copies<0>();
    __syncthreads();
    if (sums_up) add_input_sums<kProducts>(delta, inputs, of_x, of_y);
    if (to_inputs) input_rows<kProducts>(task, first, delta, into);
    __syncthreads();
  }
  if (!sums_up) return;
  float* out = task.input_parts + blockIdx.x * l.width * l.in_width();
#pragma unroll
  for (int below = 0; below < 2; ++below) {
    const int unit = 16 * warp() + g() + 8 * below;
    if (unit >= kNarrowUnits) continue;
#pragma unroll
    for (int j = 0; j < kInputTiles; ++j) {
      float* at = out + unit * l.in_width() + 8 * j + 2 * t();
      two_at(at) = {of_x[0][j][2 * below], of_x[0][j][2 * below + 1]};
      two_at(at + l.a_width) = {of_y[0][j][2 * below], of_y[0][j][2 * below + 1]};
    }
  }
}

// The second part of the gradient of b, where b was shuffled: each of its rows has one. Grid: x
// over S · B.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_narrow_join_rows(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  const int64_t sample = i / l.b_size;
  if (sample >= l.samples) return;
  const int64_t to = shuffled_sample(task.permutation, sample, l.samples);
  if (to >= 0) task.grad_b[to * l.b_size + i - sample * l.b_size] += task.product_gradient[i];
}

}  // namespace midiff::cuda
