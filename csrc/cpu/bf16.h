// Numbers rounded to bf16 (to nearest, ties to even), a vector at a time, on any instruction set.
#pragma once

#include <cstdint>

#include "csrc/cpu/factors.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

// As many 16-bit numbers as a vector has floats.
using Halves [[gnu::vector_size(kLanes<float> * 2)]] = uint16_t;

inline constexpr uint32_t kBf16One = 0x3F80;

MF_HD void store_halves(uint16_t* target, Vec<uint32_t> value) {
  const Halves halves = __builtin_convertvector(value, Halves);
  __builtin_memcpy(target, &halves, sizeof(halves));
}

MF_HD Vec<float> load_bf16(const uint16_t* source) {
  Halves halves;
  __builtin_memcpy(&halves, source, sizeof(halves));
  return (Vec<float>)(__builtin_convertvector(halves, Vec<uint32_t>) << 16);
}

#if defined(MF_BF16)
MF_HD Vec<float> round_bf16(Vec<float> value) {
  const Halves halves = (Halves)_mm512_cvtneps_pbh((__m512)value);
  return (Vec<float>)(__builtin_convertvector(halves, Vec<uint32_t>) << 16);
}

MF_HD void store_bf16(uint16_t* target, Vec<float> value) {
  const __m256bh halves = _mm512_cvtneps_pbh((__m512)value);
  __builtin_memcpy(target, &halves, sizeof(halves));
}
#else
MF_HD Vec<uint32_t> bf16_of(Vec<float> value) {
  const Vec<uint32_t> bits = (Vec<uint32_t>)value;
  const Vec<uint32_t> rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  // Rounding would carry the highest NaNs over into numbers.
  return value == value ? rounded : (bits >> 16) | 0x40u;
}

MF_HD Vec<float> round_bf16(Vec<float> value) { return (Vec<float>)(bf16_of(value) << 16); }

MF_HD void store_bf16(uint16_t* target, Vec<float> value) { store_halves(target, bf16_of(value)); }

MF_HD Vec<Bf16Pair> pairs_across(Vec<float> first, Vec<float> second) {
  return bf16_of(first) | bf16_of(second) << 16;
}

MF_HD Bf16Pair pair_of(float first, float second) {
  return pairs_across(broadcast(first), broadcast(second))[0];
}
#endif

}  // namespace midiff::MF_ISA
