// The Donsker-Varadhan bound and its gradients on the device: matrix products on tensor cores, with
// everything between them in their prologues and epilogues.
//
// Samples go through in chunks; of a chunk, both distributions' pairs side by side ("halves"),
// which share the product of a with W_a. Per chunk:
//
//   gather         rows of a and b, b by the permutation for the product's half
//   first_layer    h = act(W_a x + W_b y + b)
//   second_layer   T = w_out · act(W_h h + b_h), and which of its units are active
//   score, weigh   weights of the pairs: 1, and exp(T - the largest T of the chunk)
//   back           derivatives by the sums inside the first layer. The second layer's are weight ·
//                  w_out · (slope + (1 - slope) active): `active` is exact in any precision, and
//                  the rest goes into the matrix and the epilogue
//   hidden_sums    Σ active ⊗ weight h: gives the gradients of W_h, b_h and w_out
//   input_sums     Σ grad_first ⊗ [x, y, 1]: of W_a, W_b and their biases
//   input_rows     grad_first · [W_a, W_b]: of a and b
//
// What comes from the product's pairs is weighed against the largest T of its own chunk, and put in
// proportion when all chunks are known. Sums are made in fixed parts and added in order.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/mine_tasks.h"
#include "csrc/cuda/tensor_core.cuh"

namespace midiff::cuda {

inline constexpr int kMineThreads = 256;  // of the kernels that are no products

// One member's part of the task.
template <class T>
__device__ __forceinline__ MineTask<T> member_of(MineTask<T> task, int64_t member) {
  const MineLayout& l = task.layout;
  const auto move = [member](auto*& pointer, int64_t size) {
    if (pointer != nullptr) pointer += member * size;
  };
  move(task.a, l.samples * l.a_size);
  move(task.b, l.samples * l.b_size);
  move(task.marginal_b, l.samples * l.b_size);
  move(task.permutation, l.samples);
  move(task.weight_a, l.hidden * l.a_size);
  move(task.bias_a, l.hidden);
  move(task.weight_b, l.hidden * l.b_size);
  move(task.bias_b, l.hidden);
  move(task.weight_h, l.hidden * l.hidden);
  move(task.bias_h, l.hidden);
  move(task.weight_out, l.hidden);
  move(task.mi, 1);
  move(task.grad_a, l.samples * l.a_size);
  move(task.grad_b, l.samples * l.b_size);
  move(task.grad_marginal_b, l.samples * l.b_size);
  move(task.grad_weight_a, l.hidden * l.a_size);
  move(task.grad_bias_first, l.hidden);
  move(task.grad_weight_b, l.hidden * l.b_size);
  move(task.grad_weight_h, l.hidden * l.hidden);
  move(task.grad_bias_h, l.hidden);
  move(task.grad_weight_out, l.hidden);
  move(task.first_a, l.width * l.a_width);
  move(task.first_b, l.width * l.b_width);
  move(task.hidden, l.width * l.width);
  move(task.back, l.width * l.width);
  move(task.back_sums, l.width);
  move(task.into_inputs, (l.a_size + l.b_size) * l.width);
  move(task.x, l.chunk * l.a_width);
  move(task.y, kHalves * l.chunk * l.b_width);
  move(task.first, kHalves * l.chunk * l.width);
  move(task.active, kHalves * l.chunk * l.width);
  move(task.score_parts, l.tiles * kHalves * l.chunk);
  move(task.scores, kHalves * l.chunk);
  move(task.weights, kHalves * l.chunk);
  move(task.grad_first, kHalves * l.chunk * l.width);
  move(task.block_sums, l.chunks * kHalves * l.row_blocks);
  move(task.block_largest, l.chunks * l.row_blocks);
  move(task.shares, l.chunks);
  move(task.hidden_parts, l.chunks * kHalves * l.splits * l.width * l.width);
  move(task.input_parts, l.chunks * kHalves * l.input_splits * l.width * l.in_width());
  move(task.hidden_sums, l.width * l.width);
  move(task.product_gradient, l.samples * (l.a_size + l.b_size));
  return task;
}

template <class T>
MF_HD T leaky_relu(T x, T slope) {
  return x > 0 ? x : slope * x;
}

// ---- Sides of the products, see tensor_core.cuh.

// A matrix [rows, stride] by its rows, 0 behind the last one.
template <class T>
struct RowSide {
  static constexpr bool kAlongDepth = true;
  const T* data;
  int64_t stride;
  int rows;

  __device__ __forceinline__ Four<T> operator()(int row, int64_t depth) const {
    Four<T> out = {};
    if (row < rows) {
      const T* from = data + row * stride + depth;
#pragma unroll
      for (int i = 0; i < 4; ++i) out.value[i] = from[i];
    }
    return out;
  }
};

// Bytes of 0 and 1 as numbers.
template <class T>
struct ActiveSide {
  static constexpr bool kAlongDepth = true;
  const unsigned char* data;
  int64_t stride;

  __device__ __forceinline__ Four<T> operator()(int row, int64_t depth) const {
    Four<T> out;
    const unsigned char* from = data + row * stride + depth;
#pragma unroll
    for (int i = 0; i < 4; ++i) out.value[i] = static_cast<T>(from[i]);
    return out;
  }
};

// A matrix [depths, stride] by its columns, row by row of it times `weights` [depths] if not null;
// 0 behind the last column.
template <class T, class Number>
struct ColumnSide {
  static constexpr bool kAlongDepth = false;
  const Number* data;
  int64_t stride;
  int columns;
  const T* weights;

  __device__ __forceinline__ Four<T> operator()(int64_t depth, int column) const {
    Four<T> out = {};
    if (column < columns) {
      const Number* from = data + depth * stride + column;
      const T weight = weights ? weights[depth] : T(1);
#pragma unroll
      for (int i = 0; i < 4; ++i) out.value[i] = weight * static_cast<T>(from[i]);
    }
    return out;
  }
};

// [x, y] of a chunk by its columns.
template <class T>
struct InputSide {
  static constexpr bool kAlongDepth = false;
  const T* x;
  const T* y;
  int64_t a_width, b_width;

  __device__ __forceinline__ Four<T> operator()(int64_t depth, int column) const {
    Four<T> out = {};
    if (column < a_width + b_width) {
      const T* from =
          column < a_width ? x + depth * a_width + column : y + depth * b_width + column - a_width;
#pragma unroll
      for (int i = 0; i < 4; ++i) out.value[i] = from[i];
    }
    return out;
  }
};

// Calls function(row, column, value) for each output of this thread.
template <class T, class Function>
__device__ __forceinline__ void for_each_sum(const TileSums<T>& sums, const Function& function) {
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i)
#pragma unroll
    for (int j = 0; j < kWarpColumns; ++j)
#pragma unroll
      for (int k = 0; k < 4; ++k)
        function(TileSums<T>::row(i, k), TileSums<T>::column(j, k), sums.value[i][j][k]);
}

// ---- Kernels. Grids: x, y as said; z is the member.

// Grid: x over width · width numbers.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_pack(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  const int64_t H = l.hidden;
  if (i < l.width * l.width) {
    const int64_t row = i / l.width, column = i % l.width;
    const bool inside = row < H && column < H;
    task.hidden[i] = inside                   ? task.weight_h[row * H + column]
                     : row < H && column == H ? task.bias_h[row]
                                              : T(0);
    task.back[i] = inside ? task.weight_out[column] * task.weight_h[column * H + row] : T(0);
  }
  if (i < l.width * l.a_width) {
    const int64_t row = i / l.a_width, column = i % l.a_width;
    task.first_a[i] = row < H && column < l.a_size ? task.weight_a[row * l.a_size + column] : T(0);
  }
  if (i < l.width * l.b_width) {
    const int64_t row = i / l.b_width, column = i % l.b_width;
    task.first_b[i] = row >= H             ? T(0)
                      : column < l.b_size  ? task.weight_b[row * l.b_size + column]
                      : column == l.b_size ? task.bias_a[row] + task.bias_b[row]
                                           : T(0);
  }
  if (i < (l.a_size + l.b_size) * l.width) {
    const int64_t row = i / l.width, column = i % l.width;
    task.into_inputs[i] = column >= H      ? T(0)
                          : row < l.a_size ? task.weight_a[column * l.a_size + row]
                                           : task.weight_b[column * l.b_size + row - l.a_size];
  }
  if (i < l.width) {
    T sum = 0;
    for (int64_t h = 0; h < H && i < H; ++h) sum += task.weight_out[h] * task.weight_h[h * H + i];
    task.back_sums[i] = sum;
  }
}

// Rows of the chunk that begins at sample `start`. Grid: x over chunk · (a_width + 2 b_width).
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_gather(MineTask<T> all, int64_t start) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  if (i < l.chunk * l.a_width) {
    const int64_t row = start + i / l.a_width, column = i % l.a_width;
    task.x[i] = row < l.samples && column < l.a_size ? task.a[row * l.a_size + column] : T(0);
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
  task.y[i] = value;
}

// Grid: x over tiles of the chunk's rows, y over tiles of width.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_first_layer(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.x) * kTile;
  const int first_column = static_cast<int>(blockIdx.y) * kTile;
  const int rows = static_cast<int>(l.chunk), width = static_cast<int>(l.width);
  T* shared = shared_memory<T>();
  const auto add_a = [&](TileSums<T>& sums) {
    sums.clear();
    add_products<kProducts>(sums, RowSide<T>{task.x, l.a_width, rows},
                            RowSide<T>{task.first_a, l.a_width, width}, first_row, first_column, 0,
                            l.a_width, shared);
  };
  // Shared by both halves, where it fits the registers beside the sums.
  constexpr bool kKept = sizeof(T) == 4 && kProducts == Products::kHigh;
  TileSums<T> of_a;
  if constexpr (kKept) add_a(of_a);
#pragma unroll 1
  for (int half = 0; half < kHalves; ++half) {
    TileSums<T> sums;
    if constexpr (kKept)
      sums = of_a;
    else
      add_a(sums);
    add_products<kProducts>(sums, RowSide<T>{task.y + half * l.chunk * l.b_width, l.b_width, rows},
                            RowSide<T>{task.first_b, l.b_width, width}, first_row, first_column, 0,
                            l.b_width, shared);
    T* out = task.first + half * l.chunk * l.width;
    for_each_sum(sums, [&](int row, int column, T value) {
      const int64_t unit = first_column + column;
      if (unit >= l.width) return;
      out[(first_row + row) * l.width + unit] = unit < l.hidden    ? leaky_relu(value, task.slope)
                                                : unit == l.hidden ? T(1)
                                                                   : T(0);
    });
  }
}

// Grid: x over tiles of both halves' rows, y over tiles of width.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_second_layer(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.x) * kTile;
  const int first_column = static_cast<int>(blockIdx.y) * kTile;
  const int rows = static_cast<int>(kHalves * l.chunk), width = static_cast<int>(l.width);
  T* shared = shared_memory<T>();
  TileSums<T> sums;
  sums.clear();
  add_products<kProducts>(sums, RowSide<T>{task.first, l.width, rows},
                          RowSide<T>{task.hidden, l.width, width}, first_row, first_column, 0,
                          l.width, shared);
  for_each_sum(sums, [&](int row, int column, T value) {
    const int64_t unit = first_column + column;
    if (unit < l.width)
      task.active[(first_row + row) * l.width + unit] =
          unit < l.hidden ? value > 0 : unit == l.hidden;
  });
  // The row's part of T: over the thread's columns, four lanes, four warps, in this order.
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i)
#pragma unroll
    for (int below = 0; below < 2; ++below) {
      T part = 0;
#pragma unroll
      for (int j = 0; j < kWarpColumns; ++j)
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const int64_t unit = first_column + TileSums<T>::column(j, k);
          if (unit < l.hidden)
            part += task.weight_out[unit] * leaky_relu(sums.value[i][j][2 * below + k], task.slope);
        }
      part = group_sum<4>(part);
      if (lane % 4 == 0) shared[TileSums<T>::row(i, 2 * below) * 4 + warp % 4] = part;
    }
  __syncthreads();
  if (threadIdx.x < kTile) {
    const T* parts = shared + threadIdx.x * 4;
    task.score_parts[blockIdx.y * kHalves * l.chunk + first_row + threadIdx.x] =
        (parts[0] + parts[1]) + (parts[2] + parts[3]);
  }
}

// NaN wins, as in torch: it must not vanish behind a comparison.
struct Larger {
  __device__ __forceinline__ double operator()(double a, double b) const {
    return b > a || b != b ? b : a;
  }
};

// Shared memory of score, weigh and finish.
MF_HD int64_t mine_block_shared_bytes() {
  return kMineThreads * static_cast<int64_t>(sizeof(double));
}

// T of each pair; of a block of 256 pairs, its sum (joint) or the largest (product). Grid: x over
// blocks of a half, y: half.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_score(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t half = blockIdx.y, row = blockIdx.x * int64_t{kMineThreads} + threadIdx.x;
  const bool inside = number * l.chunk + row < l.samples;
  T score = 0;
  for (int64_t tile = 0; tile < l.tiles; ++tile)
    score += task.score_parts[(tile * kHalves + half) * l.chunk + row];
  task.scores[half * l.chunk + row] = score;
  double* shared = shared_memory<double>();
  if (half == 0) {
    const double sum =
        over_block<kMineThreads>(inside ? static_cast<double>(score) : 0.0, shared, Add{});
    if (threadIdx.x == 0) task.block_sums[number * kHalves * l.row_blocks + blockIdx.x] = sum;
  } else {
    const double largest =
        over_block<kMineThreads>(inside ? static_cast<double>(score) : -HUGE_VAL, shared, Larger{});
    if (threadIdx.x == 0) task.block_largest[number * l.row_blocks + blockIdx.x] = largest;
  }
}

// The largest T of a chunk: in every thread of a block.
template <class T>
__device__ __forceinline__ double chunk_largest(const MineTask<T>& task, int64_t number,
                                                double* shared) {
  double largest = -HUGE_VAL;
  for (int64_t i = threadIdx.x; i < task.layout.row_blocks; i += kMineThreads)
    largest = Larger{}(largest, task.block_largest[number * task.layout.row_blocks + i]);
  return over_block<kMineThreads>(largest, shared, Larger{});
}

// Grid: x over blocks of a half, y: half.
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
  const double largest = chunk_largest(task, number, shared);
  const double weight =
      inside ? std::exp(static_cast<double>(task.scores[l.chunk + row]) - largest) : 0.0;
  task.weights[l.chunk + row] = static_cast<T>(weight);
  const double sum = over_block<kMineThreads>(weight, shared, Add{});
  if (threadIdx.x == 0) task.block_sums[(number * kHalves + 1) * l.row_blocks + blockIdx.x] = sum;
}

// Grid: x over tiles of both halves' rows, y over tiles of width.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_back(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.x) * kTile;
  const int first_column = static_cast<int>(blockIdx.y) * kTile;
  TileSums<T> sums;
  sums.clear();
  add_products<kProducts>(sums, ActiveSide<T>{task.active, l.width},
                          RowSide<T>{task.back, l.width, static_cast<int>(l.width)}, first_row,
                          first_column, 0, l.width, shared_memory<T>());
  for_each_sum(sums, [&](int row, int column, T value) {
    const int64_t unit = first_column + column, at = (first_row + row) * l.width + unit;
    if (unit >= l.width) return;
    const T grad = task.slope * task.back_sums[unit] + (1 - task.slope) * value;
    const T inner = task.first[at] > 0 ? T(1) : task.slope;
    task.grad_first[at] = unit < l.hidden ? task.weights[first_row + row] * grad * inner : T(0);
  });
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

// Grid: x over tiles of width · width, y over halves and splits.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_hidden_sums(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int width = static_cast<int>(l.width), tiles = static_cast<int>(l.tiles);
  const int first_row = static_cast<int>(blockIdx.x) / tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % tiles * kTile;
  const int64_t half = blockIdx.y / l.splits;
  const SplitRows rows(l, blockIdx.y % l.splits, l.splits);
  const int64_t offset = half * l.chunk * l.width;
  TileSums<T> sums;
  sums.clear();
  add_products<kProducts>(
      sums, ColumnSide<T, unsigned char>{task.active + offset, l.width, width, nullptr},
      ColumnSide<T, T>{task.first + offset, l.width, width, task.weights + half * l.chunk},
      first_row, first_column, rows.begin, rows.end, shared_memory<T>());
  T* out = task.hidden_parts +
           (number * kHalves * l.splits + static_cast<int64_t>(blockIdx.y)) * l.width * l.width;
  for_each_sum(sums, [&](int row, int column, T value) {
    if (first_row + row < width && first_column + column < width)
      out[(first_row + row) * l.width + first_column + column] = value;
  });
}

// Grid: x over tiles of width · in_width, y over halves and splits.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_input_sums(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int width = static_cast<int>(l.width), in_width = static_cast<int>(l.in_width());
  const int tiles = (in_width + kTile - 1) / kTile;
  const int first_row = static_cast<int>(blockIdx.x) / tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % tiles * kTile;
  const int64_t half = blockIdx.y / l.input_splits;
  const SplitRows rows(l, blockIdx.y % l.input_splits, l.input_splits);
  TileSums<T> sums;
  sums.clear();
  add_products<kProducts>(
      sums, ColumnSide<T, T>{task.grad_first + half * l.chunk * l.width, l.width, width, nullptr},
      InputSide<T>{task.x, task.y + half * l.chunk * l.b_width, l.a_width, l.b_width}, first_row,
      first_column, rows.begin, rows.end, shared_memory<T>());
  T* out =
      task.input_parts + (number * kHalves * l.input_splits + static_cast<int64_t>(blockIdx.y)) *
                             l.width * l.in_width();
  for_each_sum(sums, [&](int row, int column, T value) {
    if (first_row + row < width && first_column + column < in_width)
      out[(first_row + row) * l.in_width() + first_column + column] = value;
  });
}

// Joint parts go to their places, times 1 / S; product parts wait for their share. Grid: x over
// tiles of both halves' rows, y over tiles of A + B.
template <class T, Products kProducts>
__global__ void __launch_bounds__(kTileThreads) mine_input_rows(MineTask<T> all, int64_t number) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int first_row = static_cast<int>(blockIdx.x) * kTile;
  const int first_column = static_cast<int>(blockIdx.y) * kTile;
  const int rows = static_cast<int>(kHalves * l.chunk);
  const int columns = static_cast<int>(l.a_size + l.b_size);
  TileSums<T> sums;
  sums.clear();
  add_products<kProducts>(sums, RowSide<T>{task.grad_first, l.width, rows},
                          RowSide<T>{task.into_inputs, l.width, columns}, first_row, first_column,
                          0, l.width, shared_memory<T>());
  const T share = static_cast<T>(1.0 / static_cast<double>(l.samples));
  for_each_sum(sums, [&](int row, int column, T value) {
    const int64_t half = (first_row + row) / l.chunk, at = (first_row + row) % l.chunk;
    const int64_t sample = number * l.chunk + at, variable = first_column + column;
    if (sample >= l.samples || variable >= columns) return;
    if (half == 1)
      task.product_gradient[sample * columns + variable] = value;
    else if (variable < l.a_size)
      task.grad_a[sample * l.a_size + variable] = share * value;
    else
      task.grad_b[sample * l.b_size + variable - l.a_size] = share * value;
  });
}

// MI, and the share of each chunk's weights in the product's term. Grid: x = 1.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_finish(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  double* shared = shared_memory<double>();
  double largest = -HUGE_VAL;
  for (int64_t i = threadIdx.x; i < l.chunks * l.row_blocks; i += kMineThreads)
    largest = Larger{}(largest, task.block_largest[i]);
  largest = over_block<kMineThreads>(largest, shared, Larger{});
  double joint = 0, product = 0;
#pragma unroll 1
  for (int64_t number = 0; number < l.chunks; ++number) {
    const double of_chunk = chunk_largest(task, number, shared);
    const double scale = std::exp(of_chunk - largest);
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

// parts: [chunks, 2, splits, size] -> the gradient's number i: joint parts count 1 / S, product
// parts minus their chunk's share.
template <class T>
__device__ __forceinline__ T join_parts(const MineTask<T>& task, const T* parts, int64_t splits,
                                        int64_t size, int64_t i) {
  const MineLayout& l = task.layout;
  const double joint_share = 1.0 / static_cast<double>(l.samples);
  double total = 0;
  for (int64_t number = 0; number < l.chunks; ++number)
    for (int64_t half = 0; half < kHalves; ++half) {
      double sum = 0;
      for (int64_t split = 0; split < splits; ++split)
        sum += static_cast<double>(parts[((number * kHalves + half) * splits + split) * size + i]);
      total += (half == 0 ? joint_share : -task.shares[number]) * sum;
    }
  return static_cast<T>(total);
}

// Grid: x over width · width.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_join_hidden(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const int64_t size = task.layout.width * task.layout.width;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  if (i < size)
    task.hidden_sums[i] = join_parts(task, task.hidden_parts, task.layout.splits, size, i);
}

// From sums[h, j] = Σ weight active[h] [h_1, 1][j], whose row H has active = 1: with the slope,
// M = slope sums[H] + (1 - slope) sums[h], of which grad W_h = w_out M and grad w_out = [W_h, b_h]
// · M (W_h h + b_h is the sum inside the unit). A warp per h. Grid: x over warps.
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_hidden_gradients(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t H = l.hidden;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t h = (blockIdx.x * int64_t{kMineThreads} + threadIdx.x) / kWarp;
  if (h >= H) return;
  T of_out = 0;
  for (int64_t j = lane; j <= H; j += kWarp) {
    const T m = task.slope * task.hidden_sums[H * l.width + j] +
                (1 - task.slope) * task.hidden_sums[h * l.width + j];
    of_out += task.hidden[h * l.width + j] * m;
    if (j < H)
      task.grad_weight_h[h * H + j] = task.weight_out[h] * m;
    else
      task.grad_bias_h[h] = task.weight_out[h] * m;
  }
  of_out = group_sum<kWarp>(of_out);
  if (lane == 0) task.grad_weight_out[h] = of_out;
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

// The product's parts of the gradients of samples: each row of a and of what was shuffled has one.
// Grid: x over S · (A + B).
template <class T>
__global__ void __launch_bounds__(kMineThreads) mine_join_rows(MineTask<T> all) {
  const MineTask<T> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMineThreads + threadIdx.x;
  const int64_t columns = l.a_size + l.b_size, sample = i / columns, variable = i % columns;
  if (sample >= l.samples) return;
  const T part = static_cast<T>(task.shares[sample / l.chunk]) * task.product_gradient[i];
  if (variable < l.a_size) {
    task.grad_a[sample * l.a_size + variable] -= part;
    return;
  }
  const int64_t at = task.permutation[sample] * l.b_size + variable - l.a_size;
  if (task.has_marginal)
    task.grad_marginal_b[at] = -part;
  else
    task.grad_b[at] -= part;
}

}  // namespace midiff::cuda
