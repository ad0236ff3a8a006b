// Vectors of the instruction set this file is being compiled for (GNU vector extensions).
//
// Included by kernels only, inside the file of one instruction set (avx512.cpp, avx2.cpp,
// baseline.cpp), which defines MF_ISA and MF_VECTOR_BYTES. Arithmetic, comparison and `mask ? x :
// y` are the compiler's own operators; what is here is what they lack.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "csrc/common/macros.h"

namespace midiff::MF_ISA {

template <class T>
struct VecOf {
  using type [[gnu::vector_size(MF_VECTOR_BYTES)]] = T;
};
template <class T>
using Vec = typename VecOf<T>::type;

// Elements of type T in one vector.
template <class T>
inline constexpr int kLanes = MF_VECTOR_BYTES / static_cast<int>(sizeof(T));

template <class T>
MF_HD Vec<T> load(const T* source) {
  Vec<T> value;
  __builtin_memcpy(&value, source, MF_VECTOR_BYTES);
  return value;
}

template <class T>
MF_HD void store(T* target, Vec<T> value) {
  __builtin_memcpy(target, &value, MF_VECTOR_BYTES);
}

template <class T>
MF_HD Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

namespace detail {

template <class T, int offset, int... index>
MF_HD Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, index...>) {
  constexpr int lanes = kLanes<T>;
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (offset + index / 2 + (index % 2) * lanes)...);
#else
  using Index = decltype(a < b);  // integers as wide as T
  return __builtin_shuffle(a, b, Index{(offset + index / 2 + (index % 2) * lanes)...});
#endif
}

}  // namespace detail

// a0 b0 a1 b1 … : the first and the second half of two vectors taken in turns.
template <class V>
MF_HD V interleave_low(V a, V b) {
  using T = std::decay_t<decltype(a[0])>;
  return detail::interleave<T, 0>(a, b, std::make_integer_sequence<int, kLanes<T>>());
}
template <class V>
MF_HD V interleave_high(V a, V b) {
  using T = std::decay_t<decltype(a[0])>;
  return detail::interleave<T, kLanes<T> / 2>(a, b, std::make_integer_sequence<int, kLanes<T>>());
}

// out[c][r] = in[r][c] for a square block of vectors. Rows from `rows` on are taken as zero,
// columns from `columns` on are not written.
template <class T>
MF_HD void transpose_block(const T* in, int64_t in_stride, int rows, T* out, int64_t out_stride,
                           int columns) {
  constexpr int kSize = kLanes<T>;
  Vec<T> block[kSize];
#pragma GCC unroll 16
  for (int r = 0; r < kSize; ++r) block[r] = r < rows ? load(in + r * in_stride) : Vec<T>{};
  // Interleaving the two halves of the rows log2(size) times turns rows into columns.
#pragma GCC unroll 4
  for (int done = 1; done < kSize; done *= 2) {
    Vec<T> next[kSize];
#pragma GCC unroll 8
    for (int r = 0; r < kSize / 2; ++r) {
      next[2 * r] = interleave_low(block[r], block[r + kSize / 2]);
      next[2 * r + 1] = interleave_high(block[r], block[r + kSize / 2]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kSize; ++r) block[r] = next[r];
  }
#pragma GCC unroll 16
  for (int c = 0; c < kSize; ++c)
    if (c < columns) store(out + c * out_stride, block[c]);
}

// Lane i is lane i + first of the value, or whatever where there is none.
template <class V>
MF_HD V lanes_from(V value, int64_t first) {
  using T = std::decay_t<decltype(value[0])>;
#if defined(__x86_64__) && MF_VECTOR_BYTES == 64
  if constexpr (sizeof(T) == 4) {
    constexpr Vec<int32_t> kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return _mm512_permutexvar_ps(
        reinterpret_cast<__m512i>(kLane + broadcast(static_cast<int32_t>(first))), value);
  }
#endif
  T lanes[2 * kLanes<T>] = {};
  store(lanes, value);
  return load(lanes + first);
}

MF_HD Vec<float> square_root(Vec<float> value) {
#if defined(__x86_64__) && MF_VECTOR_BYTES == 64
  return _mm512_sqrt_ps(value);
#elif defined(__x86_64__) && MF_VECTOR_BYTES == 32
  return _mm256_sqrt_ps(value);
#elif defined(__x86_64__)
  return _mm_sqrt_ps(value);
#else
  for (int lane = 0; lane < kLanes<float>; ++lane) value[lane] = __builtin_sqrtf(value[lane]);
  return value;
#endif
}

// Full products of the low 32 bits of each 64-bit lane.
MF_HD Vec<uint64_t> multiply_low_halves(Vec<uint64_t> a, Vec<uint64_t> b) {
#if defined(__x86_64__) && MF_VECTOR_BYTES == 64
  return reinterpret_cast<Vec<uint64_t>>(
      _mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__x86_64__) && MF_VECTOR_BYTES == 32
  return reinterpret_cast<Vec<uint64_t>>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<Vec<uint64_t>>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFFull) * (b & 0xFFFFFFFFull);
#endif
}

}  // namespace midiff::MF_ISA
