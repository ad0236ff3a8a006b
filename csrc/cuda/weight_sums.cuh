// Gradients of weights: for each member, sums over all its rows (sequences and steps) of products
//
//   out[m, n] = scale Σ_row left[row, m] right(row, n)
//
// The rows are cut into chunks by their number alone; a block adds up one tile of one chunk, and a
// second kernel adds the chunks in order. No atomics: the sums are the same bits every time, for a
// member alone and in an ensemble.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/weight_sums.h"

namespace midiff::cuda {

// left: [E, rows, left]. A thread brings numbers of one column of either side into the tiles, so
// `right` is asked once a thread for a column of a member, from some row on, which goes on by
// itself:
//   auto column = right.column(int64_t member, int64_t row, int column);
//   T column.value(), void column.advance(int rows)
//
// Grid: (tiles of left × tiles of right, chunks, members). partial: [E, chunks, left, right].
template <class T, class Right>
__global__ void __launch_bounds__(kSumThreads)
    partial_sums(const T* left, Right right, int64_t rows, int left_size, int right_size,
                 T* partial) {
  T* left_tile = shared_memory<T>();                  // [kSumRows, kSumStride]
  T* right_tile = left_tile + kSumRows * kSumStride;  // [kSumRows, kSumStride]
  const int right_tiles = static_cast<int>(sum_tiles(right_size));
  const int first_left = static_cast<int>(blockIdx.x) / right_tiles * kSumTile;
  const int first_right = static_cast<int>(blockIdx.x) % right_tiles * kSumTile;
  const int64_t member = blockIdx.z, chunk = blockIdx.y, chunks = gridDim.y;
  const int64_t chunk_rows = sum_chunk(rows);
  const int64_t begin = chunk * chunk_rows;
  const int64_t end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
  const int thread = static_cast<int>(threadIdx.x);
  const int m = thread / 16 * 4, n = thread % 16 * 4;

  constexpr int kRowsApart = kSumThreads / kSumTile;  // of a thread's numbers
  const int own_row = thread / kSumTile, column = thread % kSumTile;
  const bool in_left = first_left + column < left_size;
  const bool in_right = first_right + column < right_size;
  const T* left_at = left + (member * rows + begin + own_row) * left_size + first_left + column;
  auto right_column = right.column(member, begin + own_row, in_right ? first_right + column : 0);

  T sums[4][4] = {};
  for (int64_t first = begin; first < end; first += kSumRows) {
    const int here = end - first < kSumRows ? static_cast<int>(end - first) : kSumRows;
#pragma unroll
    for (int i = 0; i < kSumRows / kRowsApart; ++i) {
      const int row = own_row + i * kRowsApart;
      left_tile[row * kSumStride + column] = in_left && row < here ? *left_at : T(0);
      right_tile[row * kSumStride + column] = in_right && row < here ? right_column.value() : T(0);
      left_at += kRowsApart * static_cast<int64_t>(left_size);
      right_column.advance(kRowsApart);
    }
    __syncthreads();
#pragma unroll
    for (int row = 0; row < kSumRows; ++row) {
      T a[4], b[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        a[i] = left_tile[row * kSumStride + m + i];
        b[i] = right_tile[row * kSumStride + n + i];
      }
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] += a[i] * b[j];
    }
    __syncthreads();
  }

  T* out = partial + (member * chunks + chunk) * left_size * right_size;
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int row = first_left + m + i, column = first_right + n + j;
      if (row < left_size && column < right_size)
        out[static_cast<int64_t>(row) * right_size + column] = sums[i][j];
    }
}

// partial: [E, chunks, size] -> out: [E, size], times `scale`; added to what is there if `adds`.
// Grid: (blocks over size, members).
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    add_chunks(const T* partial, int64_t chunks, int64_t size, T scale, bool adds, T* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kSumThreads + threadIdx.x;
  if (i >= size) return;
  const T* own = partial + blockIdx.y * chunks * size + i;
  T sum = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += own[chunk * size];
  T& target = out[blockIdx.y * size + i];
  target = adds ? target + scale * sum : scale * sum;
}

}  // namespace midiff::cuda
