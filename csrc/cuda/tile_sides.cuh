// Sides of the products in tile_product.cuh: copies<rows>(first_row, depth) stands at a depth, and
// each next(shared) brings 16 more depths of that many rows into shared memory. Rows behind the
// last one are copies of another row: what is made of them is not used. Matrices' rows begin at
// multiples of 16 bytes.
#pragma once

#include <cstdint>

#include "csrc/cuda/tile_product.cuh"

namespace midiff::cuda {

// A matrix [rows, stride] by its rows, below 2^32 numbers.
template <class T>
struct RowSide {
  static constexpr Along kAlong = Along::kDepth;
  static constexpr bool kWeighted = false;
  const T* data;
  int64_t stride;
  int rows;

  template <int kRows>
  struct Copies {
    static constexpr int kPieces = kRows * 4 / kTileThreads;
    const T* data;
    uint32_t from[kPieces];  // numbers behind `data`: a pointer would take two registers

    __device__ __forceinline__ void next(T* shared) {
      const int row = static_cast<int>(threadIdx.x) / 4,
                quarter = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
      for (int i = 0; i < kPieces; ++i) {
        tile::copy_four(shared + tile::in_row(row, quarter) + i * (kTileThreads / 4) * kTileDepth,
                        data + from[i]);
        from[i] += kTileDepth;
      }
    }
  };

  template <int kRows>
  __device__ __forceinline__ Copies<kRows> copies(int first_row, int64_t depth) const {
    Copies<kRows> copies;
    copies.data = data + depth;
#pragma unroll
    for (int i = 0; i < Copies<kRows>::kPieces; ++i) {
      const int row = first_row + static_cast<int>(threadIdx.x) / 4 + i * (kTileThreads / 4);
      copies.from[i] =
          static_cast<uint32_t>(row < rows ? row : rows - 1) * static_cast<uint32_t>(stride) +
          threadIdx.x % 4 * 4;
    }
    return copies;
  }
};

namespace tile {

// From a matrix by its columns, four of them per thread.
template <class T, int kRows>
struct ColumnCopies {
  static constexpr int kAcross = kRows / 4, kDown = kTileThreads / kAcross;
  const T* from;
  int64_t stride;

  static __device__ __forceinline__ int depth() { return static_cast<int>(threadIdx.x) / kAcross; }
  static __device__ __forceinline__ int column() {
    return static_cast<int>(threadIdx.x) % kAcross * 4;
  }
  __device__ __forceinline__ void next(T* shared) {
#pragma unroll
    for (int i = 0; i < kTileDepth; i += kDown) {
      copy_four(shared + (depth() + i) * kTileStride + column(), from);
      from += kDown * stride;
    }
  }
};

}  // namespace tile

// A matrix [depths, stride] by its columns.
template <class T>
struct ColumnSide {
  static constexpr Along kAlong = Along::kRows;
  static constexpr bool kWeighted = false;
  const T* data;
  int64_t stride;
  int columns;

  template <int kRows>
  __device__ __forceinline__ tile::ColumnCopies<T, kRows> copies(int first, int64_t depth) const {
    using Copies = tile::ColumnCopies<T, kRows>;
    const int column = first + Copies::column();
    return {data + (depth + Copies::depth()) * stride + (column < columns ? column : 0), stride};
  }
};

// The same, row by row of it times `weights` [depths].
template <class T>
struct WeightedColumnSide {
  static constexpr Along kAlong = Along::kRows;
  static constexpr bool kWeighted = true;
  ColumnSide<T> matrix;
  const T* weights;

  template <int kRows>
  struct Copies {
    tile::ColumnCopies<T, kRows> matrix;
    const T* weights;

    __device__ __forceinline__ void next(T* shared) {
      matrix.next(shared);
      if (threadIdx.x < kTileDepth)
        copy_async<sizeof(T)>(shared + kTileDepth * kTileStride + threadIdx.x, weights);
      weights += kTileDepth;
    }
  };

  template <int kRows>
  __device__ __forceinline__ Copies<kRows> copies(int first, int64_t depth) const {
    return {matrix.template copies<kRows>(first, depth),
            weights + depth + threadIdx.x % kTileDepth};
  }
};

// Two matrices [depths, x_width] and [depths, y_width], side by side, by their columns.
template <class T>
struct PairSide {
  static constexpr Along kAlong = Along::kRows;
  static constexpr bool kWeighted = false;
  const T* x;
  const T* y;
  int64_t x_width, y_width;

  template <int kRows>
  __device__ __forceinline__ tile::ColumnCopies<T, kRows> copies(int first, int64_t depth) const {
    using Copies = tile::ColumnCopies<T, kRows>;
    const int64_t column = first + Copies::column(), row = depth + Copies::depth();
    if (column < x_width) return {x + row * x_width + column, x_width};
    return {y + row * y_width + (column < x_width + y_width ? column - x_width : 0), y_width};
  }
};

// Bits [rows, 32 words] by their rows; a word has two steps of the depth, the first at multiples
// of 32.
template <class T>
struct RowMask {
  static constexpr Along kAlong = Along::kDepthMask;
  const uint32_t* data;
  int64_t words;

  struct Copies {
    const uint32_t* from;
    int step;

    __device__ __forceinline__ void next(T* shared) {
      if (threadIdx.x < kTile)
        copy_async<4>(reinterpret_cast<uint32_t*>(shared) + threadIdx.x, from + step / 2);
      ++step;
    }
  };

  template <int kRows>
  __device__ __forceinline__ Copies copies(int first_row, int64_t depth) const {
    static_assert(kRows == kTile);
    return {data + (first_row + static_cast<int>(threadIdx.x) % kTile) * words + depth / 32, 0};
  }
};

// Bits [depths, 32 words] by their columns, of which there are multiples of 128.
template <class T>
struct ColumnMask {
  static constexpr Along kAlong = Along::kRowsMask;
  const uint32_t* data;
  int64_t words;

  struct Copies {
    const uint32_t* from;
    int64_t words;

    __device__ __forceinline__ void next(T* shared) {
      if (threadIdx.x < kTileDepth)
        copy_async<16>(reinterpret_cast<uint32_t*>(shared) + threadIdx.x * 4, from);
      from += kTileDepth * words;
    }
  };

  template <int kRows>
  __device__ __forceinline__ Copies copies(int first, int64_t depth) const {
    static_assert(kRows == kTile);
    return {data + (depth + threadIdx.x % kTileDepth) * words + first / 32, words};
  }
};

}  // namespace midiff::cuda
