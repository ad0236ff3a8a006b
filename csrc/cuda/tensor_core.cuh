// Tiles of matrix products on tensor cores: 128 × 128 outputs of a block of 256 threads.
//
// Precision, as torch.get_float32_matmul_precision() names it:
//   highest  each float32 number as a sum of two TF32 ones, three products (the fourth is below
//            float32's rounding); two where the left side is exact in TF32, such as a mask. Tensor
//            cores cut their sums toward zero, so they add up 8 deep, small terms first, and
//            float32 additions do the rest
//   high     one product of numbers rounded to TF32
// float64 goes without tensor cores, for checks.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

inline constexpr int kTile = 128;         // outputs of a block in either direction
inline constexpr int kTileThreads = 256;  // 8 warps, 2 × 4, with 64 × 32 outputs each
inline constexpr int kTileDepth = 16;     // columns of both sides in shared memory at a time
inline constexpr int kTileStride = kTileDepth + 4;     // lanes of a fragment meet different banks
inline constexpr int kWarpRows = 4, kWarpColumns = 4;  // 16 × 8 fragments of a warp

// Of a block: two stages of both sides.
template <class T>
MF_HD int64_t tile_shared_bytes() {
  return 2 * 2 * kTile * kTileStride * static_cast<int64_t>(sizeof(T));
}

#if defined(__CUDACC__)
// The nearest TF32 number, ties away from zero.
__device__ __forceinline__ float to_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

// sum += a · bᵀ of one fragment: a [16, 8], b [8, 8], in the layout of mma.m16n8k8.
__device__ __forceinline__ void multiply_tf32(float (&sum)[4], const float (&a)[4],
                                              const float (&b)[2]) {
  // Volatile: all lanes of a warp have to take part, so it must not move into a branch.
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#endif

// How the products of a tile are made.
enum class Products { kHighest, kHighestExactLeft, kHigh };

template <class T>
struct TileSums {
  // Rows g and g + 8, columns 2 t and 2 t + 1 of each fragment, for lane 4 g + t.
  T value[kWarpRows][kWarpColumns][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i)
#pragma unroll
      for (int j = 0; j < kWarpColumns; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) value[i][j][k] = 0;
  }

  // Where they are in the tile.
  static __device__ __forceinline__ int row(int i, int k) {
    const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
    return warp / 4 * 64 + i * 16 + lane / 4 + k / 2 * 8;
  }
  static __device__ __forceinline__ int column(int j, int k) {
    const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
    return warp % 4 * 32 + j * 8 + lane % 4 * 2 + k % 2;
  }
};

template <class T>
struct Four {
  T value[4];
};

namespace tile {

// Four numbers of a side into shared memory: along the depth as they are, along the rows turned.
template <bool kAlongDepth, class T>
__device__ __forceinline__ void store(T* side, int piece, const Four<T>& numbers) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = kAlongDepth ? piece / 4 : piece % 32 * 4 + i;
    const int depth = kAlongDepth ? piece % 4 * 4 + i : piece / 32;
    side[row * kTileStride + depth] = numbers.value[i];
  }
}

// The numbers of one piece. A source along the depth gives source(row, depth ... depth + 3), one
// along the rows source(depth, row ... row + 3).
template <class Source>
__device__ __forceinline__ auto load(const Source& source, int first_row, int64_t first_depth,
                                     int piece) {
  if constexpr (Source::kAlongDepth)
    return source(first_row + piece / 4, first_depth + piece % 4 * 4);
  else
    return source(first_depth + piece / 32, first_row + piece % 32 * 4);
}

__device__ __forceinline__ void multiply(TileSums<double>& sums, const double* left,
                                         const double* right) {
  for (int depth = 0; depth < kTileDepth; ++depth)
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i)
#pragma unroll
      for (int j = 0; j < kWarpColumns; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k)
          sums.value[i][j][k] += left[TileSums<double>::row(i, k) * kTileStride + depth] *
                                 right[TileSums<double>::column(j, k) * kTileStride + depth];
}

template <Products kProducts>
__device__ __forceinline__ void multiply(TileSums<float>& sums, const float* left,
                                         const float* right) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, t = lane % 4;
#pragma unroll
  for (int depth = 0; depth < kTileDepth; depth += 8) {
    float b_high[kWarpColumns][2], b_low[kWarpColumns][2];
#pragma unroll
    for (int j = 0; j < kWarpColumns; ++j) {
      // The fragment's column of this lane is number lane / 4.
      const int column = TileSums<float>::column(j, 0) - 2 * t + lane / 4;
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const float b = right[column * kTileStride + depth + t + 4 * k];
        b_high[j][k] = to_tf32(b);
        if constexpr (kProducts != Products::kHigh) b_low[j][k] = to_tf32(b - b_high[j][k]);
      }
    }
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      const int row = TileSums<float>::row(i, 0);
      float a_high[4], a_low[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float a = left[(row + k % 2 * 8) * kTileStride + depth + t + k / 2 * 4];
        a_high[k] = kProducts == Products::kHighestExactLeft ? a : to_tf32(a);
        if constexpr (kProducts == Products::kHighest) a_low[k] = to_tf32(a - a_high[k]);
      }
#pragma unroll
      for (int j = 0; j < kWarpColumns; ++j) {
        if constexpr (kProducts == Products::kHigh) {
          multiply_tf32(sums.value[i][j], a_high, b_high[j]);
        } else {
          float part[4] = {};
          if constexpr (kProducts == Products::kHighest) multiply_tf32(part, a_low, b_high[j]);
          multiply_tf32(part, a_high, b_low[j]);
          multiply_tf32(part, a_high, b_high[j]);
#pragma unroll
          for (int k = 0; k < 4; ++k) sums.value[i][j][k] += part[k];
        }
      }
    }
  }
}

template <Products>
__device__ __forceinline__ void multiply(TileSums<double>& sums, const double* left,
                                         const double* right) {
  multiply(sums, left, right);
}

}  // namespace tile

// sums[m, n] += Σ left(first_row + m, d) right(first_column + n, d) over depths [begin, end); the
// sources give 0 beyond their ends. All threads of a block take part; `shared` is free before and
// after.
template <Products kProducts, class T, class Left, class Right>
__device__ __forceinline__ void add_products(TileSums<T>& sums, const Left& left,
                                             const Right& right, int first_row, int first_column,
                                             int64_t begin, int64_t end, T* shared) {
  constexpr int kSide = kTile * kTileStride;
  constexpr int kPieces = kTile * kTileDepth / 4 / kTileThreads;  // of a thread, of either side
  const int thread = static_cast<int>(threadIdx.x);
  Four<T> next_left[kPieces], next_right[kPieces];
  const auto load = [&](int64_t depth) {
#pragma unroll
    for (int i = 0; i < kPieces; ++i) {
      next_left[i] = tile::load(left, first_row, depth, thread + i * kTileThreads);
      next_right[i] = tile::load(right, first_column, depth, thread + i * kTileThreads);
    }
  };
  if (begin < end) load(begin);
  int turn = 0;
  for (int64_t depth = begin; depth < end; depth += kTileDepth, turn ^= 1) {
    T* left_side = shared + turn * 2 * kSide;
    T* right_side = left_side + kSide;
#pragma unroll
    for (int i = 0; i < kPieces; ++i) {
      tile::store<Left::kAlongDepth>(left_side, thread + i * kTileThreads, next_left[i]);
      tile::store<Right::kAlongDepth>(right_side, thread + i * kTileThreads, next_right[i]);
    }
    __syncthreads();
    if (depth + kTileDepth < end) load(depth + kTileDepth);
    tile::multiply<kProducts>(sums, left_side, right_side);
  }
  __syncthreads();
}

}  // namespace midiff::cuda
