// What the kernels for narrow critics multiply: fragments of a warp, 8 deep at a time, of matrices
// that lie whole in shared memory.
//
// Along the depth, number t of a fragment is the matrix's number 2 t, and t + 4 its 2 t + 1: so a
// lane reads both at once. Rows of 104 or 56 numbers begin 8 or 24 banks further on, so that lanes
// of a read do not meet.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_layers.cuh"

namespace midiff::cuda {

inline constexpr int kNarrowThreads = 256;
inline constexpr int kNarrowWarps = kNarrowThreads / kWarp;
inline constexpr int kUnitTiles = kNarrowUnits / 8, kInputTiles = kNarrowInputs / 8;

namespace narrow {

__device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / kWarp; }
// The lane is 4 g + t.
__device__ __forceinline__ int g() { return static_cast<int>(threadIdx.x) % kWarp / 4; }
__device__ __forceinline__ int t() { return static_cast<int>(threadIdx.x) % 4; }

// Sides that TF32 holds as they are, and nobody has to split.
enum class Exact { kNeither, kLeft, kRight };

// sums[i][j] += a[i] · bᵀ, where right(j, b) reads b.
template <Products kProducts, Exact kExact = Exact::kNeither, int kRows, int kAcross, class Right>
__device__ __forceinline__ void multiply(float (&sums)[kRows][kAcross][4],
                                         const float (&a)[kRows][4], const Right& right) {
  constexpr bool kSplit = kProducts == Products::kHighest;
  // Independent products in flight, as many as registers allow.
  constexpr int kGroup = kSplit && kRows == 2 ? 2 : 4;
  float a_high[kRows][4], a_low[kRows][4];
#pragma unroll
  for (int i = 0; i < kRows; ++i)
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if constexpr (kSplit && kExact != Exact::kLeft)
        split_tf32(a[i][k], a_high[i][k], a_low[i][k]);
      else
        a_high[i][k] = a[i][k];
#pragma unroll
  for (int first = 0; first < kAcross; first += kGroup) {
    float b_high[kGroup][2], b_low[kGroup][2], part[kRows][kGroup][4] = {};
#pragma unroll
    for (int j = 0; j < kGroup && first + j < kAcross; ++j) {
      right(first + j, b_high[j]);
      if constexpr (kSplit && kExact != Exact::kRight)
#pragma unroll
        for (int k = 0; k < 2; ++k) split_tf32(b_high[j][k], b_high[j][k], b_low[j][k]);
    }
    const auto each = [&](const auto& function) {
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < kGroup && first + j < kAcross; ++j) function(i, j);
    };
    if constexpr (kSplit) {
      if constexpr (kExact != Exact::kLeft)
        each([&](int i, int j) { multiply_tf32(part[i][j], a_low[i], b_high[j]); });
      if constexpr (kExact != Exact::kRight)
        each([&](int i, int j) { multiply_tf32(part[i][j], a_high[i], b_low[j]); });
      each([&](int i, int j) { multiply_tf32(part[i][j], a_high[i], b_high[j]); });
      each([&](int i, int j) {
#pragma unroll
        for (int k = 0; k < 4; ++k) sums[i][first + j][k] += part[i][j][k];
      });
    } else {
      each([&](int i, int j) { multiply_tf32(sums[i][first + j], a_high[i], b_high[j]); });
    }
  }
}

template <int kRows, int kAcross>
__device__ __forceinline__ void clear(float (&sums)[kRows][kAcross][4]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i)
#pragma unroll
    for (int j = 0; j < kAcross; ++j)
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[i][j][k] = 0;
}

// A matrix [·, kStride] whose rows are those of a side.
template <int kStride>
struct AlongRows {
  const float* lane;

  __device__ __forceinline__ AlongRows(const float* matrix, int first_row)
      : lane(matrix + (first_row + g()) * kStride + 2 * t()) {}
  __device__ __forceinline__ void left(int step, float (&a)[4]) const {
    const Two<float> above = *reinterpret_cast<const Two<float>*>(lane + 8 * step);
    const Two<float> below = *reinterpret_cast<const Two<float>*>(lane + 8 * kStride + 8 * step);
    a[0] = above.first, a[1] = below.first, a[2] = above.second, a[3] = below.second;
  }
  __device__ __forceinline__ void right(int j, int step, float (&b)[2]) const {
    const Two<float> two = *reinterpret_cast<const Two<float>*>(lane + 8 * j * kStride + 8 * step);
    b[0] = two.first, b[1] = two.second;
  }
};

// A matrix [·, kStride] whose columns are the rows of a side. Along its rows, the depth goes as it
// is: t, t + 4.
template <int kStride>
struct AlongColumns {
  const float* lane;

  __device__ __forceinline__ AlongColumns(const float* matrix, int first_column)
      : lane(matrix + t() * kStride + first_column + g()) {}
  __device__ __forceinline__ void left(int step, float (&a)[4]) const {
    const float* at = lane + 8 * step * kStride;
    a[0] = at[0], a[1] = at[8], a[2] = at[4 * kStride], a[3] = at[4 * kStride + 8];
  }
  __device__ __forceinline__ void right(int j, int step, float (&b)[2]) const {
    const float* at = lane + 8 * step * kStride + 8 * j;
    b[0] = at[0], b[1] = at[4 * kStride];
  }
};

// A row's bits of active units.
struct alignas(16) ActiveBits {
  uint32_t word[4];
};
__device__ __forceinline__ ActiveBits bits_at(const uint32_t* bits, int64_t row) {
  return *reinterpret_cast<const ActiveBits*>(bits + row * 4);
}

// Bit `bit` of a word of active units as the number kMaskNumber or 0.
__device__ __forceinline__ float number_of_bit(uint32_t word, int bit) {
  return __uint_as_float(word << (30 - bit) & 0x40000000u);
}

// Copies `numbers`, a multiple of 4, into shared memory; they arrive by wait_copies.
__device__ __forceinline__ void copy_in(float* shared, const float* global, int numbers) {
  for (int i = static_cast<int>(threadIdx.x) * 4; i < numbers; i += kNarrowThreads * 4)
    copy_async<16>(shared + i, global + i);
}

// The tiles of a part: a function of sizes only.
struct PartTiles {
  int64_t begin, end;

  __device__ __forceinline__ PartTiles(const MineLayout& l, int samples) {
    const int64_t tiles = (l.samples + samples - 1) / samples, part = blockIdx.x;
    begin = tiles * part / l.splits;
    end = tiles * (part + 1) / l.splits;
  }
};

}  // namespace narrow
}  // namespace midiff::cuda
