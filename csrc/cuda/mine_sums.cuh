// Sums over pairs for the gradients of the weights, and the gradients of the samples.
//
// A chunk adds to what the chunks before it left; the product's parts are first put in proportion
// to its largest T, which may be larger than theirs.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/cuda/mine_layers.cuh"

namespace midiff::cuda {

// What sums of earlier chunks count for in this one.
template <class T>
__device__ __forceinline__ T earlier_share(const MineTask<T>& task, int64_t number, int64_t half) {
  if (number == 0 || half == 0) return T(1);
  return static_cast<T>(std::exp(task.largest[number - 1] - task.largest[number]));
}

// out = value, added to what the earlier chunks left.
template <class T>
__device__ __forceinline__ void add_to(T& out, T value, bool first_chunk, T share) {
  out = first_chunk ? value : share * out + value;
}

// The rows of a split: [begin, end) of a chunk, in steps of kTileDepth.
struct SplitRows {
  int64_t begin, end;

  __device__ __forceinline__ SplitRows(const MineLayout& l, int64_t split, int64_t splits) {
    const int64_t pieces = l.chunk / kTileDepth;
    begin = pieces * split / splits * kTileDepth;
    end = pieces * (split + 1) / splits * kTileDepth;
  }
};

// Σ active ⊗ weight h; for its first row and column of tiles also Σ weight h and Σ weight active,
// by a thread per unit. A NaN that the product's rounding loses shows in Σ weight h. Grid: x over
// tiles of width · width, y over halves and splits.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T, kProducts>)
    mine_hidden_sums(MineTask<T> all, int64_t number) {
  using Sums = TileSums<T, kTile>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int width = static_cast<int>(l.width), tiles = static_cast<int>(l.tiles);
  const int first_row = static_cast<int>(blockIdx.x) / tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % tiles * kTile;
  const int64_t part = blockIdx.y, half = part / l.splits;
  const SplitRows rows(l, part % l.splits, l.splits);
  const int64_t pair = half * l.chunk;
  const int thread = static_cast<int>(threadIdx.x), unit = thread % kTile;
  const bool of_first = thread < kTile && first_row == 0;
  const bool of_active = thread >= kTile && first_column == 0;
  T unit_sum = 0;
  Sums sums;
  sums.clear();
  add_products<kProducts>(
      sums, ColumnMask<T>{task.second_bits + pair * l.words(), l.words()},
      WeightedColumnSide<T>{{task.first + pair * l.width, l.width, width}, task.weights + pair},
      first_row, first_column, rows.begin, rows.end, shared_memory<T>(),
      [&](const T* left, const T* right) {
        const T* weights = right + kTileDepth * kTileStride;
        if (of_first) {
#pragma unroll
          for (int depth = 0; depth < kTileDepth; ++depth)
            unit_sum += weights[depth] * right[depth * kTileStride + unit];
        } else if (of_active) {
          const uint32_t* words = reinterpret_cast<const uint32_t*>(left) + unit / 32;
#pragma unroll
          for (int depth = 0; depth < kTileDepth; ++depth)
            unit_sum += words[depth * 4] >> unit % 32 & 1 ? weights[depth] : T(0);
        }
      });
  const T share = earlier_share(task, number, half);
  if (of_first)
    add_to(task.unit_parts[part * 2 * l.padded() + first_column + unit], unit_sum, number == 0,
           share);
  if (of_active)
    add_to(task.unit_parts[(part * 2 + 1) * l.padded() + first_row + unit], unit_sum, number == 0,
           share);
  T* out = task.hidden_parts + part * l.width * l.width;
  sums.for_each_pair([&](int row, int column, T first, T second) {
    if (first_row + row >= width || first_column + column >= width) return;
    Two<T>& two = two_at(out + (first_row + row) * l.width + first_column + column);
    Two<T> now = {};
    if (number != 0) now = two;  // there is nothing yet before the first chunk
    add_to(now.first, first / kMaskNumber, number == 0, share);
    add_to(now.second, second / kMaskNumber, number == 0, share);
    two = now;
  });
}

// Σ grad_first ⊗ [x, y, 1]. Grid: x over tiles of width · in_width, y over halves and splits.
template <class T, Products kProducts, int kColumns>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T, kProducts, kColumns>)
    mine_input_sums(MineTask<T> all, int64_t number) {
  using Sums = TileSums<T, kColumns>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int width = static_cast<int>(l.width), in_width = static_cast<int>(l.in_width());
  const int tiles = (in_width + kColumns - 1) / kColumns;
  const int first_row = static_cast<int>(blockIdx.x) / tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % tiles * kColumns;
  const int64_t part = blockIdx.y, half = part / l.input_splits;
  const SplitRows rows(l, part % l.input_splits, l.input_splits);
  Sums sums;
  sums.clear();
  add_products<kProducts>(
      sums, ColumnSide<T>{task.grad_first + half * l.chunk * l.width, l.width, width},
      PairSide<T>{task.x, task.y + half * l.chunk * l.b_width, l.a_width, l.b_width}, first_row,
      first_column, rows.begin, rows.end, shared_memory<T>());
  const T share = earlier_share(task, number, half);
  T* out = task.input_parts + part * l.width * l.in_width();
  sums.for_each_pair([&](int row, int column, T first, T second) {
    if (first_row + row >= width || first_column + column >= in_width) return;
    Two<T>& two = two_at(out + (first_row + row) * l.in_width() + first_column + column);
    Two<T> now = {};
    if (number != 0) now = two;  // there is nothing yet before the first chunk
    add_to(now.first, first, number == 0, share);
    add_to(now.second, second, number == 0, share);
    two = now;
  });
}

// grad_first · [W_a, W_b]. Joint parts go to their places, times 1 / S; product parts wait for
// their share. Grid: x over tiles of A + B, y over tiles of both halves' rows.
template <class T, Products kProducts, int kColumns>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T, kProducts, kColumns>)
    mine_input_rows(MineTask<T> all, int64_t number) {
  using Sums = TileSums<T, kColumns>;
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.y) * kTile;
  const int first_column = static_cast<int>(blockIdx.x) * kColumns;
  const int rows = static_cast<int>(kHalves * l.chunk);
  const int a_size = static_cast<int>(l.a_size), b_size = static_cast<int>(l.b_size);
  Sums sums;
  sums.clear();
  add_products<kProducts>(sums, RowSide<T>{task.grad_first, l.width, rows},
                          RowSide<T>{task.into_inputs, l.width, a_size + b_size}, first_row,
                          first_column, 0, l.width, shared_memory<T>());
  const T share = static_cast<T>(1.0 / static_cast<double>(l.samples));
  const bool product = first_row >= l.chunk;  // a chunk is whole tiles
  const int64_t first_sample = number * l.chunk + first_row - (product ? l.chunk : 0);
  const auto store = [&](int64_t sample, int variable, T value) {
    if (variable >= a_size + b_size) return;
    if (product)
      task.product_gradient[sample * (a_size + b_size) + variable] = value;
    else if (variable < a_size)
      task.grad_a[sample * a_size + variable] = share * value;
    else
      task.grad_b[sample * b_size + variable - a_size] = share * value;
  };
  sums.for_each_pair([&](int row, int column, T first, T second) {
    if (first_sample + row >= l.samples) return;
    store(first_sample + row, first_column + column, first);
    store(first_sample + row, first_column + column + 1, second);
  });
}

}  // namespace midiff::cuda
