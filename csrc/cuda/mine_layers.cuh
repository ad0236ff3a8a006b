// The critic's layers, and derivatives by the sums inside the first one.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_tasks.h"
#include "csrc/cuda/tile_sides.cuh"

namespace midiff::cuda {

template <class T>
MF_HD T leaky_relu(T x, T slope) {
  return x > 0 ? x : slope * x;
}

// Of a product kernel with one tile of sums, on a multiprocessor: two, where that leaves registers
// enough. "highest" with whole tiles needs some more than 128.
template <class T, Products kProducts, int kColumns = kTile>
inline constexpr int kTileBlocks =
    sizeof(T) == 4 && (kProducts == Products::kHigh || kColumns < kTile) ? 2 : 1;

// Two numbers side by side, to or from memory at once.
template <class T>
struct alignas(2 * sizeof(T)) Two {
  T first, second;
};
template <class T>
__device__ __forceinline__ Two<T>& two_at(T* memory) {
  return *reinterpret_cast<Two<T>*>(memory);
}

// Grid: x over tiles of width, y over tiles of the chunk's rows.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_first_layer(MineTask<T> all) {
  using Sums = TileSums<T, kTile>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.y) * kTile;
  const int first_column = static_cast<int>(blockIdx.x) * kTile;
  const int rows = static_cast<int>(l.chunk), width = static_cast<int>(l.width);
  T* shared = shared_memory<T>();
  const auto add_a = [&](Sums& sums) {
    sums.clear();
    add_products<kProducts>(sums, RowSide<T>{task.x, l.a_width, rows},
                            RowSide<T>{task.first_a, l.a_width, width}, first_row, first_column, 0,
                            l.a_width, shared);
  };
  // Shared by both halves, where it fits the registers beside the sums.
  constexpr bool kKept = sizeof(T) == 4 && kProducts == Products::kHigh;
  Sums of_a;
  if constexpr (kKept) add_a(of_a);
#pragma unroll 1
  for (int half = 0; half < kHalves; ++half) {
    Sums sums;
    if constexpr (kKept)
      sums = of_a;
    else
      add_a(sums);
    add_products<kProducts>(sums, RowSide<T>{task.y + half * l.chunk * l.b_width, l.b_width, rows},
                            RowSide<T>{task.first_b, l.b_width, width}, first_row, first_column, 0,
                            l.b_width, shared);
    const int64_t row_of_half = half * l.chunk + first_row;
    uint32_t* bits =
        task.first_bits + row_of_half * l.words() + (first_column + Sums::warp_column()) / 32;
    sums.for_each_word([](int, int, T value) { return value > 0; },
                       [&](int row, uint32_t word) { bits[row * l.words()] = word; });
    if (first_column + Sums::warp_column() >= width) continue;
    T* out = task.first + row_of_half * l.width + first_column;
    sums.for_each_pair([&](int row, int column, T first, T second) {
      two_at(out + row * l.width + column) = {
          for_products<kProducts>(leaky_relu(first, task.slope)),
          for_products<kProducts>(leaky_relu(second, task.slope))};
    });
  }
}

// Grid: x over tiles of width, y over tiles of both halves' rows.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T, kProducts>)
    mine_second_layer(MineTask<T> all) {
  using Sums = TileSums<T, kTile>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.y) * kTile;
  const int first_column = static_cast<int>(blockIdx.x) * kTile;
  const int rows = static_cast<int>(kHalves * l.chunk), width = static_cast<int>(l.width);
  T* shared = shared_memory<T>();
  Sums sums;
  sums.clear();
  add_products<kProducts>(sums, RowSide<T>{task.first, l.width, rows},
                          RowSide<T>{task.hidden, l.width, width}, first_row, first_column, 0,
                          l.width, shared);
#pragma unroll
  for (int j = 0; j < Sums::kAcross; ++j) {
    const Two<T> bias = two_at(task.hidden_bias + first_column + Sums::column(j, 0));
#pragma unroll
    for (int i = 0; i < Sums::kRows; ++i)
#pragma unroll
      for (int k = 0; k < 4; ++k) sums.value[i][j][k] += k % 2 == 0 ? bias.first : bias.second;
  }
  uint32_t* bits =
      task.second_bits + first_row * l.words() + (first_column + Sums::warp_column()) / 32;
  sums.for_each_word([](int, int, T value) { return value > 0; },
                     [&](int row, uint32_t word) { bits[row * l.words()] = word; });
  // The row's part of T: over the thread's columns, four lanes, four warps, in this order.
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
  for (int i = 0; i < Sums::kRows; ++i)
#pragma unroll
    for (int below = 0; below < 2; ++below) {
      T part = 0;
#pragma unroll
      for (int j = 0; j < Sums::kAcross; ++j) {
        const Two<T> out = two_at(task.out + first_column + Sums::column(j, 0));
        part += out.first * leaky_relu(sums.value[i][j][2 * below], task.slope);
        part += out.second * leaky_relu(sums.value[i][j][2 * below + 1], task.slope);
      }
      part = group_sum<4>(part);
      if (lane % 4 == 0) shared[Sums::row(i, 2 * below) * 4 + warp % 4] = part;
    }
  __syncthreads();
  if (threadIdx.x < kTile) {
    const T* parts = shared + threadIdx.x * 4;
    task.score_parts[blockIdx.x * kHalves * l.chunk + first_row + threadIdx.x] =
        (parts[0] + parts[1]) + (parts[2] + parts[3]);
  }
}

// Grid: x over tiles of width, y over tiles of both halves' rows.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T, kProducts>)
    mine_back(MineTask<T> all) {
  using Sums = TileSums<T, kTile>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.y) * kTile;
  const int first_column = static_cast<int>(blockIdx.x) * kTile;
  Sums sums;
  sums.clear();
  add_products<kProducts>(sums, RowMask<T>{task.second_bits, l.words()},
                          RowSide<T>{task.back, l.width, static_cast<int>(l.width)}, first_row,
                          first_column, 0, l.width, shared_memory<T>());
  if (first_column + Sums::warp_column() >= l.width) return;
  const T scale = (1 - task.slope) / kMaskNumber;
  const uint32_t* bits =
      task.first_bits + first_row * l.words() + (first_column + Sums::warp_column()) / 32;
  T* out = task.grad_first + first_row * l.width + first_column;
  sums.for_each_pair([&](int row, int column, T first, T second) {
    const uint32_t active = bits[row * l.words()] >> column % 32;
    const Two<T> all_active = two_at(task.back_sums + first_column + column);
    const T weight = task.weights[first_row + row];
    const auto gradient = [&](T sum, T value, uint32_t is_active) {
      const T outer = task.slope * sum + scale * value;
      return for_products<kProducts>(weight * outer * (is_active & 1 ? T(1) : task.slope));
    };
    two_at(out + row * l.width + column) = {gradient(all_active.first, first, active),
                                            gradient(all_active.second, second, active >> 1)};
  });
}

}  // namespace midiff::cuda
