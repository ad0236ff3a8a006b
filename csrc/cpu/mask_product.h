// Products with a two-valued matrix, by tables of subset sums.
//
//   out[r] += sum_k mask[r][k] * rows[k],   mask[r][k] in {slope, 1}
//
// The derivative of a leaky ReLU takes only two values, so backpropagation through it multiplies by
// such a matrix. Four rows have 16 possible sums; they are tabulated once and every r picks one by
// a 4-bit code: one addition where a dense product spends four multiply-adds (the "method of four
// Russians", Arlazarov et al. 1970). Sums stay in T, added in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "csrc/cpu/gemm_tile.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

inline constexpr int kGroupRows = 4;
inline constexpr int kGroupSums = 1 << kGroupRows;

// Tables of this many groups are in use at once: 16 KB of sums, half of a 32 KB L1.
inline constexpr int kTableGroups = 16384 / (kGroupSums * kTileVectors * MF_VECTOR_BYTES);

// Elements of one group's table: 16 sums, each one panel wide.
template <class T>
inline constexpr int kTableSize = kGroupSums * kPanel<T>;

// Codes are stored as offsets into a table, in units that an address can scale by: one byte holds
// the largest (15 x 2 vectors of 64 bytes = 240 units), so that codes take little of the cache.
using Code = uint8_t;
inline constexpr int kCodeUnit = 8;
inline constexpr int kCodeStep = kTileVectors * MF_VECTOR_BYTES / kCodeUnit;
static_assert((kGroupSums - 1) * kCodeStep < 256);

// The code of each lane from four vectors: bit b is set where `units[b]` is positive.
template <class T>
MF_HD void store_codes(Code* target, const Vec<T> (&units)[kGroupRows]) {
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    int code = 0;
    for (int b = 0; b < kGroupRows; ++b) code |= (units[b][lane] > T(0) ? kCodeStep : 0) << b;
    target[lane] = static_cast<Code>(code);
  }
}

template <>
MF_HD void store_codes<float>(Code* target, const Vec<float> (&units)[kGroupRows]) {
  using Codes [[gnu::vector_size(kLanes<float>)]] = Code;
  Vec<int32_t> code = {};
#pragma GCC unroll 4
  for (int b = 0; b < kGroupRows; ++b)
    code |= (units[b] > broadcast(0.0f)) & (broadcast<int32_t>(kCodeStep) << b);
  const Codes narrow = __builtin_convertvector(code, Codes);
  __builtin_memcpy(target, &narrow, sizeof(narrow));
}

// All 16 sums of four consecutive rows (each one panel wide), row b scaled by scale[b] if given; of
// the panel's first kVectors vectors.
template <int kVectors, class T>
MF_HD void tabulate(T* table, const T* rows, const T* scale, T slope) {
  for (int v = 0; v < kVectors; ++v) {
    Vec<T> step[kGroupRows];
    Vec<T> sums[kGroupSums];
    Vec<T> all = {};
#pragma GCC unroll 4
    for (int b = 0; b < kGroupRows; ++b) {
      step[b] = load(rows + b * kPanel<T> + v * kLanes<T>);
      if (scale != nullptr) step[b] *= broadcast(scale[b]);
      all += step[b];
      step[b] *= broadcast(T(1) - slope);
    }
    sums[0] = all * broadcast(slope);
#pragma GCC unroll 16
    for (int code = 1; code < kGroupSums; ++code) {
      const int highest = code >= 8 ? 3 : code >= 4 ? 2 : code >= 2 ? 1 : 0;
      sums[code] = sums[code - (1 << highest)] + step[highest];
    }
#pragma GCC unroll 16
    for (int code = 0; code < kGroupSums; ++code)
      store(table + code * kPanel<T> + v * kLanes<T>, sums[code]);
  }
}

// Where the code of row r and group g is: codes[r * row + g * group]. kRow = 0: known at run time.
template <int kRow, int kGroup>
struct CodeStrides {
  int64_t runtime_row = 0;
  MF_HD int64_t row() const { return kRow != 0 ? kRow : runtime_row; }
  static constexpr int group = kGroup;
};

// Keeps the compiler from moving what made `value` past this point.
template <class V>
MF_HD void keep_order([[maybe_unused]] V& value) {
#if defined(__x86_64__)
  asm("" : "+v"(value));
#endif
}

// Rows worked on side by side, so that the additions of one hide the latency of another.
template <class T>
inline constexpr int kPickedRows = kLanes<T> < 4 ? kLanes<T> : 4;

// Adds the picked sums of `groups` tables to kPickedRows rows of `out`.
template <int kVectors, class T, class Strides>
MF_HD void add_picked(T* out, int64_t out_stride, const T* table, const Code* codes,
                      Strides strides, int groups) {
  constexpr int kRows = kPickedRows<T>;
  Vec<T> acc[kRows][kVectors];
  const Code* row[kRows];
#pragma GCC unroll 4
  for (int q = 0; q < kRows; ++q) {
    row[q] = codes + q * strides.row();
    for (int v = 0; v < kVectors; ++v) acc[q][v] = load(out + q * out_stride + v * kLanes<T>);
  }
#pragma GCC unroll 16
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 4
    for (int q = 0; q < kRows; ++q) {
      const size_t offset = row[q][g * Strides::group];
      const T* sum = table + g * kTableSize<T> + offset * (kCodeUnit / sizeof(T));
      for (int v = 0; v < kVectors; ++v) acc[q][v] += load(sum + v * kLanes<T>);
      // In this order: gathering all addresses first, as GCC would, overflows the registers.
      for (int v = 0; v < kVectors; ++v) keep_order(acc[q][v]);
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < kRows; ++q)
    for (int v = 0; v < kVectors; ++v) store(out + q * out_stride + v * kLanes<T>, acc[q][v]);
}

// The same for any number of rows that is a multiple of kPickedRows.
template <int kVectors, class T, class Strides>
MF_HD void add_picked_rows(T* out, int64_t out_stride, int64_t count, const T* table,
                           const Code* codes, Strides strides, int groups) {
  if (groups == kTableGroups) {
    for (int64_t r = 0; r < count; r += kPickedRows<T>)
      add_picked<kVectors>(out + r * out_stride, out_stride, table, codes + r * strides.row(),
                           strides, kTableGroups);
  } else {
    for (int64_t r = 0; r < count; r += kPickedRows<T>)
      add_picked<kVectors>(out + r * out_stride, out_stride, table, codes + r * strides.row(),
                           strides, groups);
  }
}

}  // namespace midiff::MF_ISA
