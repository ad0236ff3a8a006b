// What a dense product multiplies: numbers, or pairs of numbers rounded to bf16.
//
// A pair takes the place of one float32, its first number in the lower half. An instruction
// multiplies and adds both, with sums in float32: twice the products of a fused multiply-add.
// Pairs exist where the including file defines MF_BF16.
#pragma once

#include <cstdint>
#include <type_traits>

#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

using Bf16Pair = uint32_t;

// Numbers of T in a factor.
template <class T, class Factor>
inline constexpr int kFactorNumbers = std::is_same_v<T, Factor> ? 1 : 2;

// sum + left · right, lane by lane.
template <class V>
MF_HD V add_factors(V sum, V left, V right) {
  return sum + left * right;
}

#if defined(MF_BF16)
MF_HD Vec<float> add_factors(Vec<float> sum, Vec<Bf16Pair> left, Vec<Bf16Pair> right) {
  return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

// The pairs of 32 numbers that follow one another.
MF_HD Vec<Bf16Pair> pairs_along(const float* numbers) {
  return (Vec<Bf16Pair>)_mm512_cvtne2ps_pbh(load(numbers + kLanes<float>), load(numbers));
}

// Pair i is (first[i], second[i]).
MF_HD Vec<Bf16Pair> pairs_across(Vec<float> first, Vec<float> second) {
  using Halves [[gnu::vector_size(MF_VECTOR_BYTES)]] = uint16_t;
  constexpr Halves kTurns = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                             8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (Vec<Bf16Pair>)_mm512_permutexvar_epi16((__m512i)kTurns,
                                                 (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

MF_HD Bf16Pair pair_of(float first, float second) {
  return pairs_across(broadcast(first), broadcast(second))[0];
}
#endif

}  // namespace midiff::MF_ISA
