// Products of matrices on tensor cores: what one block of 256 threads sums up, and how precisely.
// Tiles and their way into shared memory are in tile_product.cuh.
//
// Precision, as torch.get_float32_matmul_precision() names it:
//   highest  each float32 number as a sum of two TF32 ones, three products (the fourth is below
//            float32's rounding); two where the left side is a mask, which is exact. Tensor cores
//            cut their sums toward zero, so they add up 8 deep, small terms first, and float32
//            additions do the rest
//   high     one product of numbers that were rounded to TF32 when they were made
// float64 goes without tensor cores, for checks.
#pragma once

#include <cstdint>
#include <type_traits>

#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

enum class Products { kHighest, kHigh };

inline constexpr int kTileThreads = 256;
inline constexpr int kTile = 128;  // outputs of a block downwards, and across unless it says 64

#if defined(__CUDACC__)
// The nearest TF32 number, ties away from zero.
__device__ __forceinline__ float to_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

// Four 4-column pieces of 8 rows from shared memory. Lane 8 m + r says where row r of piece m lies,
// 16 bytes; lane 4 g + t gets number t of row g of each.
__device__ __forceinline__ void load_pieces(float (&out)[4], const float* row) {
  uint32_t bits[4];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(bits[0]), "=r"(bits[1]), "=r"(bits[2]), "=r"(bits[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row))));
#pragma unroll
  for (int i = 0; i < 4; ++i) out[i] = __uint_as_float(bits[i]);
}

// sum += a · bᵀ of one fragment: a [16, 8], b [8, 8], in the layout of mma.m16n8k8. Bits below TF32
// are left out.
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

// A number that goes into products, as it is kept in memory.
template <Products kProducts, class T>
__device__ __forceinline__ T for_products(T x) {
  if constexpr (kProducts == Products::kHigh && std::is_same_v<T, float>)
    return to_tf32(x);
  else
    return x;
}

// x so that the nearest TF32 number is left when tensor cores cut it. One instruction, cvt.rna
// takes four; but some NaN become -0.
__device__ __forceinline__ float nearly_tf32(float x) {
  return __uint_as_float(__float_as_uint(x) + 0x1000u);
}

// x = high + low, of 11 and 12 bits; tensor cores leave out the last one. cvt.rna would take four
// instructions for the two here. A NaN whose bits wrap to -0 in `high` stays NaN in `low`.
__device__ __forceinline__ void split_tf32(float x, float& high, float& low) {
  high = __uint_as_float((__float_as_uint(x) + 0x1000u) & ~0x1FFFu);
  low = x - high;
}

// The sums of a thread: a warp has kRows × kAcross fragments of 16 × 8 outputs, of which lane
// 4 g + t holds rows g and g + 8, columns 2 t and 2 t + 1.
template <class T, int kColumns>
struct TileSums {
  static constexpr int kWarpsAcross = kColumns / 32, kWarpsDown = 8 / kWarpsAcross;
  static constexpr int kRows = kTile / kWarpsDown / 16, kAcross = 4;
  T value[kRows][kAcross][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kAcross; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) value[i][j][k] = 0;
  }

  // The first row and column of this thread's warp in the tile.
  static __device__ __forceinline__ int warp_row() {
    return static_cast<int>(threadIdx.x) / kWarp / kWarpsAcross * (kRows * 16);
  }
  static __device__ __forceinline__ int warp_column() {
    return static_cast<int>(threadIdx.x) / kWarp % kWarpsAcross * 32;
  }
  // Where the sums are in the tile.
  static __device__ __forceinline__ int row(int i, int k) {
    return warp_row() + i * 16 + static_cast<int>(threadIdx.x) % kWarp / 4 + k / 2 * 8;
  }
  static __device__ __forceinline__ int column(int j, int k) {
    return warp_column() + j * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + k % 2;
  }

  // Calls function(row, column, two sums side by side).
  template <class Function>
  __device__ __forceinline__ void for_each_pair(const Function& function) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int below = 0; below < 2; ++below)
#pragma unroll
        for (int j = 0; j < kAcross; ++j)
          function(row(i, 2 * below), column(j, 0), value[i][j][2 * below],
                   value[i][j][2 * below + 1]);
  }

  // For each row of the warp, test(column, value) of its 32 columns as the bits of a word: calls
  // store(row, word) in one lane.
  template <class Test, class Store>
  __device__ __forceinline__ void for_each_word(const Test& test, const Store& store) const {
    const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int below = 0; below < 2; ++below) {
        uint32_t word = 0;
#pragma unroll
        for (int j = 0; j < kAcross; ++j)
#pragma unroll
          for (int k = 0; k < 2; ++k)
            word |= (test(j, k, value[i][j][2 * below + k]) ? 1u : 0u) << (8 * j + k);
        word <<= 2 * t;
        word |= __shfl_xor_sync(kWholeWarp, word, 1);
        word |= __shfl_xor_sync(kWholeWarp, word, 2);
        if (t == 0) store(row(i, 2 * below), word);
      }
  }
};

}  // namespace midiff::cuda
