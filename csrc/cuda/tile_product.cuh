// A block's tile of a product, 128 × 128 or 128 × 64: both sides go through shared memory, 16 deep
// at a time, copied asynchronously some steps ahead.
//
// A side lies in shared memory as its matrix lies in device memory, along the depth or along the
// rows, so that 16 bytes go at a time. Fragments then meet no bank twice:
//   along the depth  [row][16], quarter q of a row at q ^ (row / 2 % 4): 8 rows of a piece of 4
//   along the rows   [16][136]
// A mask is a side of bits, of which one stands for the number 2: it has one bit itself, and moves
// to its place in two instructions.
#pragma once

#include <cstdint>

#include "csrc/cuda/tensor_core.cuh"

namespace midiff::cuda {

inline constexpr int kTileDepth = 16;
inline constexpr int kTileStride = kTile + 8;                            // of a side along the rows
inline constexpr int kTileSide = kTileDepth * kTileStride + kTileDepth;  // and a weight per depth
template <class T>
inline constexpr int kTileSteps = sizeof(T) == 4 ? 4 : 2;  // in shared memory at a time
inline constexpr int kMaskNumber = 2;

template <class T>
MF_HD int64_t tile_shared_bytes() {
  return kTileSteps<T> * 2 * kTileSide * static_cast<int64_t>(sizeof(T));
}

enum class Along { kDepth, kRows, kDepthMask, kRowsMask };

MF_HD constexpr bool is_mask(Along along) {
  return along == Along::kDepthMask || along == Along::kRowsMask;
}

namespace tile {

// Four numbers, aligned to 16 bytes.
template <class T>
__device__ __forceinline__ void copy_four(T* shared, const T* global) {
#pragma unroll
  for (int i = 0; i < 4; i += 16 / static_cast<int>(sizeof(T)))
    copy_async<16>(shared + i, global + i);
}

__device__ __forceinline__ int in_row(int row, int quarter) {
  return row * kTileDepth + (quarter ^ (row / 2 % 4)) * 4;
}

// Number `depth` of a row of a side; the step begins at depth `begin`.
template <Along kAlong, class T>
__device__ __forceinline__ T number(const T* side, int row, int depth, int begin) {
  const uint32_t* words = reinterpret_cast<const uint32_t*>(side);
  if constexpr (kAlong == Along::kDepth)
    return side[in_row(row, depth / 4) + depth % 4];
  else if constexpr (kAlong == Along::kRows)
    return side[depth * kTileStride + row];
  else if constexpr (kAlong == Along::kDepthMask)
    return static_cast<T>(words[row] >> (begin + depth) % 32 & 1) * kMaskNumber;
  else
    return static_cast<T>(words[depth * 4 + row / 32] >> row % 32 & 1) * kMaskNumber;
}

// Fragments of half a step: for lane 4 g + t rows first + g and first + 8 + g, depths t and t + 4:
// all four of the left side's fragment, or two of the right side's.
template <Along kAlong, bool kLeft>
__device__ __forceinline__ void read_fragments(const float* side, int first, int half,
                                               float (&out)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if constexpr (kAlong == Along::kDepth) {
    const int piece = lane / 8, below = kLeft ? piece % 2 : piece / 2;
    const int right = kLeft ? piece / 2 : piece % 2, exchanged = lane % 8 / 2;
    load_pieces(out, side + (first + below * 8 + lane % 8) * kTileDepth +
                         ((2 * half + right) ^ exchanged) * 4);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int below = kLeft ? i % 2 : i / 2, right = kLeft ? i / 2 : i % 2;
      out[i] = side[(8 * half + lane % 4 + 4 * right) * kTileStride + first + below * 8 + lane / 4];
    }
  }
}

template <int kBit>
__device__ __forceinline__ float mask_number(uint32_t word) {
  return __uint_as_float(word << (30 - kBit) & 0x40000000u);
}

// The mask's numbers of a lane for half a step, of the 16 rows of fragment i.
template <Along kAlong>
__device__ __forceinline__ void read_mask(const float* side, int i, int half, int begin,
                                          float (&a)[4]) {
  using Sums = TileSums<float, kTile>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
  const uint32_t* words = reinterpret_cast<const uint32_t*>(side);
#pragma unroll
  for (int k = 0; k < 2; ++k)
    if constexpr (kAlong == Along::kDepthMask) {
      const uint32_t word = words[Sums::row(i, 2 * k)] >> (begin % 32 + 8 * half + t);
      a[k] = mask_number<0>(word);
      a[2 + k] = mask_number<4>(word);
    } else {
      const uint32_t word = words[(8 * half + t + 4 * k) * 4 + Sums::warp_row() / 32 + i / 2] >> g;
      a[2 * k] = i % 2 == 0 ? mask_number<0>(word) : mask_number<16>(word);
      a[2 * k + 1] = i % 2 == 0 ? mask_number<8>(word) : mask_number<24>(word);
    }
}

template <Products, class Left, class Right, int kColumns>
__device__ __forceinline__ void multiply(TileSums<double, kColumns>& sums, const double* left,
                                         const double* right, int begin) {
  using Sums = TileSums<double, kColumns>;
#pragma unroll 1
  for (int depth = 0; depth < kTileDepth; ++depth) {
    double b[Sums::kAcross][2];
#pragma unroll
    for (int j = 0; j < Sums::kAcross; ++j)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        b[j][k] = number<Right::kAlong>(right, Sums::column(j, k), depth, begin);
        if constexpr (Right::kWeighted) b[j][k] *= right[kTileDepth * kTileStride + depth];
      }
#pragma unroll
    for (int i = 0; i < Sums::kRows; ++i)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        const double a = number<Left::kAlong>(left, Sums::row(i, 2 * below), depth, begin);
#pragma unroll
        for (int j = 0; j < Sums::kAcross; ++j)
#pragma unroll
          for (int k = 0; k < 2; ++k) sums.value[i][j][2 * below + k] += a * b[j][k];
      }
  }
}

template <Products kProducts, class Left, class Right, int kColumns>
__device__ __forceinline__ void multiply(TileSums<float, kColumns>& sums, const float* left,
                                         const float* right, int begin) {
  using Sums = TileSums<float, kColumns>;
  constexpr bool kMask = is_mask(Left::kAlong), kSplit = kProducts == Products::kHighest;
// Both halves at once would not fit the registers of two blocks a multiprocessor.
#pragma unroll(kSplit&& kColumns < kTile ? 1 : 2)
  for (int half = 0; half < 2; ++half) {
    float b_high[Sums::kAcross][2], b_low[Sums::kAcross][2];
#pragma unroll
    for (int j = 0; j < Sums::kAcross; j += 2) {
      float b[4];
      read_fragments<Right::kAlong, false>(right, Sums::warp_column() + j * 8, half, b);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if constexpr (Right::kWeighted)
          b[k] *= right[kTileDepth * kTileStride + 8 * half + threadIdx.x % 4 + 4 * (k % 2)];
        if constexpr (kSplit)
          split_tf32(b[k], b_high[j + k / 2][k % 2], b_low[j + k / 2][k % 2]);
        else if constexpr (Right::kWeighted)
          b_high[j + k / 2][k % 2] = nearly_tf32(b[k]);
        else
          b_high[j + k / 2][k % 2] = b[k];
      }
    }
#pragma unroll
    for (int i = 0; i < Sums::kRows; ++i) {
      float a_high[4], a_low[4];
      if constexpr (kMask) {
        read_mask<Left::kAlong>(left, i, half, begin, a_high);
      } else {
        read_fragments<Left::kAlong, true>(left, Sums::warp_row() + i * 16, half, a_high);
        if constexpr (kSplit)
#pragma unroll
          for (int k = 0; k < 4; ++k) split_tf32(a_high[k], a_high[k], a_low[k]);
      }
      if constexpr (kSplit) {
        float part[Sums::kAcross][4] = {};
        if constexpr (!kMask)
#pragma unroll
          for (int j = 0; j < Sums::kAcross; ++j) multiply_tf32(part[j], a_low, b_high[j]);
#pragma unroll
        for (int j = 0; j < Sums::kAcross; ++j) multiply_tf32(part[j], a_high, b_low[j]);
#pragma unroll
        for (int j = 0; j < Sums::kAcross; ++j) multiply_tf32(part[j], a_high, b_high[j]);
#pragma unroll
        for (int j = 0; j < Sums::kAcross; ++j)
#pragma unroll
          for (int k = 0; k < 4; ++k) sums.value[i][j][k] += part[j][k];
      } else {
#pragma unroll
        for (int j = 0; j < Sums::kAcross; ++j) multiply_tf32(sums.value[i][j], a_high, b_high[j]);
      }
    }
  }
}

}  // namespace tile

struct NoStep {
  template <class T>
  __device__ __forceinline__ void operator()(const T*, const T*) const {}
};

// sums[m, n] += Σ left(first_row + m, d) right(first_column + n, d) over depths [begin, end), in
// steps of kTileDepth; begin is a multiple of 32 for a mask along the depth. All threads of a block
// take part; `shared` is free before and after. after_step(left, right) sees each step's sides.
template <Products kProducts, class T, int kColumns, class Left, class Right, class Step = NoStep>
__device__ __forceinline__ void add_products(TileSums<T, kColumns>& sums, const Left& left,
                                             const Right& right, int first_row, int first_column,
                                             int64_t begin, int64_t end, T* shared,
                                             const Step& after_step = {}) {
  constexpr int kSteps = kTileSteps<T>;
  const int steps = static_cast<int>((end - begin) / kTileDepth);
  auto left_copies = left.template copies<kTile>(first_row, begin);
  auto right_copies = right.template copies<kColumns>(first_column, begin);
  const auto copy = [&](int step) {
    if (step < steps) {
      T* to = shared + step % kSteps * (2 * kTileSide);
      left_copies.next(to);
      right_copies.next(to + kTileSide);
    }
    commit_copies();
  };
#pragma unroll
  for (int step = 0; step < kSteps - 1; ++step) copy(step);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_copies<kSteps - 2>();
    __syncthreads();
    copy(step + kSteps - 1);  // into the place of the step before: all are through with it
    const T* left_side = shared + step % kSteps * (2 * kTileSide);
    const T* right_side = left_side + kTileSide;
    tile::multiply<kProducts, Left, Right>(sums, left_side, right_side, step * kTileDepth);
    after_step(left_side, right_side);
  }
  wait_copies<0>();
  __syncthreads();
}

}  // namespace midiff::cuda
