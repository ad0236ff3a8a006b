// The product inside a step: a few sequences times a few vectors of units, summed in registers.
//
//   sum[row][v] += Σ_k left[row * left_row + k * left_k] · right[k * right_k + v * lanes]
//
// Each vector of weights is loaded once for all rows. Every sum is added up in the order of k,
// whatever the number of rows, so a sequence's result does not depend on its neighbours.
#pragma once

#include <cstdint>

#include "csrc/cpu/leaky_kernel_api.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

// 5 x 3 sums, 3 weights and a broadcast fill 19 of 32 registers; with 16 registers, 5 x 2 sums.
inline constexpr int kLeakyVectors = MF_VECTOR_BYTES == 64 ? 3 : 2;

template <class T, int kRows, int kVectors>
struct LeakyTile {
  Vec<T> sum[kRows][kVectors];

  MF_HD void start(const T* first) {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[row][v] = load(first + v * kLanes<T>);
  }

  MF_HD void start() {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[row][v] = Vec<T>{};
  }

  // Calls visit(row, vector, sum) for every sum.
  template <class Visit>
  MF_HD void for_each(const Visit& visit) const {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) visit(row, v, sum[row][v]);
  }

  MF_HD void add_product(int64_t depth, const T* left, int64_t left_row, int64_t left_k,
                         const T* right, int64_t right_k) {
    for (int64_t k = 0; k < depth; ++k) {
      Vec<T> weight[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) weight[v] = load(right + v * kLanes<T>);
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        const Vec<T> factor = broadcast(left[row * left_row]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[row][v] += factor * weight[v];
      }
      left += left_k;
      right += right_k;
    }
  }
};

template <int value>
using Count = std::integral_constant<int, value>;

// Calls visit(Count<n>{}) for n = count, 1 <= count <= kLeakyBlock.
template <class Visit>
MF_HD void with_rows(int64_t count, const Visit& visit) {
  static_assert(kLeakyBlock == 5);
  switch (count) {
    case 1:
      return visit(Count<1>{});
    case 2:
      return visit(Count<2>{});
    case 3:
      return visit(Count<3>{});
    case 4:
      return visit(Count<4>{});
    default:
      return visit(Count<5>{});
  }
}

// Calls visit(first element, Count<vectors>{}) until a padded row of `vectors` vectors is covered.
template <class T, class Visit>
MF_HD void for_each_panel(int64_t vectors, const Visit& visit) {
  int64_t v = 0;
  for (; v + kLeakyVectors <= vectors; v += kLeakyVectors)
    visit(v * kLanes<T>, Count<kLeakyVectors>{});
  if constexpr (kLeakyVectors > 2)
    if (vectors - v == 2) return visit(v * kLanes<T>, Count<2>{});
  if (vectors - v == 1) visit(v * kLanes<T>, Count<1>{});
}

// Calls visit(first, count) for `items` cut into the fewest parts of at most `most`, as equal as
// can be.
template <class Visit>
MF_HD void for_each_part(int64_t items, int64_t most, const Visit& visit) {
  const int64_t parts = (items + most - 1) / most;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = items * part / parts;
    visit(first, items * (part + 1) / parts - first);
  }
}

template <class T>
constexpr int64_t vectors_for(int64_t elements) {
  return (elements + kLanes<T> - 1) / kLanes<T>;
}

// Elements of a row that ends on a whole vector.
template <class T>
constexpr int64_t padded(int64_t elements) {
  return vectors_for<T>(elements) * kLanes<T>;
}

}  // namespace midiff::MF_ISA
