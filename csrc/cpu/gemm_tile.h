// The register tile of every dense product: kRows x 2 vectors of accumulators, or x 1 where a panel
// has no more columns.
//
//   acc[m][v] += sum_k left[k * left_k + m * left_m] * right[k * right_k + v * lanes]
//
// The left operand is broadcast, the right one is read as whole vectors. With AVX-512, 12 rows make
// 24 accumulators: enough chains to hide the latency of a fused multiply-add, and 14 loads for 24
// of them, below the two loads a cycle that the ports allow.
#pragma once

#include <cstdint>

#include "csrc/cpu/factors.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

inline constexpr int kTileRows = MF_VECTOR_BYTES == 64 ? 12 : 4;
inline constexpr int kTileVectors = 2;

// Columns of a tile, and of everything stored in column panels.
template <class T>
inline constexpr int kPanel = kTileVectors * kLanes<T>;

// Calls visit(vectors), a compile-time 1 or 2, for a panel of which `columns` are in use.
template <class T, class Visit>
MF_HD void with_panel_vectors(int64_t columns, Visit&& visit) {
  if (columns <= kLanes<T>)
    visit(std::integral_constant<int, 1>{});
  else
    visit(std::integral_constant<int, kTileVectors>{});
}

template <class T, int kRows, int kVectors = kTileVectors>
struct Tile {
  Vec<T> acc[kRows][kVectors];

  MF_HD void fill(T value) {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[m][v] = broadcast(value);
  }

  // Factor: T, or two numbers rounded to bf16 (factors.h); `depth` counts factors.
  template <class Factor>
  MF_HD void add_product(int64_t depth, const Factor* left, int64_t left_m, int64_t left_k,
                         const Factor* right, int64_t right_k) {
    for (int64_t k = 0; k < depth; ++k) {
      Vec<Factor> column[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) column[v] = load(right + v * kLanes<T>);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const Vec<Factor> row = broadcast(left[m * left_m]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) acc[m][v] = add_factors(acc[m][v], row, column[v]);
      }
      left += left_k;
      right += right_k;
    }
  }

  MF_HD void add_to(T* target, int64_t row_stride) const {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        T* at = target + m * row_stride + v * kLanes<T>;
        store(at, load(at) + acc[m][v]);
      }
  }
};

// Calls visit(first_row, rows) with rows a compile-time 12, 8 or 4 until `count`, a multiple of 4,
// is covered.
template <class Visit>
MF_HD void for_each_row_block(int64_t count, Visit&& visit) {
  int64_t first = 0;
  if constexpr (kTileRows == 12) {
    for (; first + 12 <= count; first += 12) visit(first, std::integral_constant<int, 12>{});
    if (first + 8 <= count) {
      visit(first, std::integral_constant<int, 8>{});
      first += 8;
    }
  }
  for (; first + 4 <= count; first += 4) visit(first, std::integral_constant<int, 4>{});
}

}  // namespace midiff::MF_ISA
