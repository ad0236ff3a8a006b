// The product inside a step: a few rows times a few vectors of columns, summed in registers.
//
//   sum[row][v] += Σ_k left[row * left_row + k * left_k] · right[k * right_k + v * lanes]
//
// Each vector of the right operand is loaded once for all rows. Every sum is added up in the order
// of k, whatever the number of rows, so a row's result does not depend on its neighbours.
#pragma once

#include <cstdint>

#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

template <class T, int kRows, int kVectors>
struct RowTile {
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

  // target: rows `target_row` apart.
  MF_HD void add_to(T* target, int64_t target_row) const {
    for_each([&](int row, int v, Vec<T> value) {
      T* at = target + row * target_row + v * kLanes<T>;
      store(at, load(at) + value);
    });
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

// Calls visit(Count<n>{}) for n = count, 1 <= count <= most.
template <int most, class Visit>
MF_HD void with_count(int64_t count, const Visit& visit) {
  if constexpr (most > 1) {
    if (count < most) return with_count<most - 1>(count, visit);
  }
  visit(Count<most>{});
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
