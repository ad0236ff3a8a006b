// Box-Muller in float32 on vectors: sqrt(-2 ln u) (cos 2πv, sin 2πv), from 32-bit words.
//
// Absolute error below 1e-6 against the float64 definition, where a float32 log of a float32 u
// would lose the small radii: u is never formed near 1, where ln u ≈ -(1 - u).
#pragma once

#include <cstdint>

#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

struct NormalPair {
  Vec<float> cosine, sine;
};

// sqrt(-2 ln((word + 1/2) 2^-32)).
MF_HD Vec<float> box_muller_radius(Vec<uint32_t> word) {
  using Float = Vec<float>;
  using Int = Vec<int32_t>;
  // y = min(u, 1 - u), in (0, 1/2]: 1 - u is (~word + 1/2) 2^-32.
  const Int upper_half = reinterpret_cast<Int>(word) < 0;
  const Int folded = reinterpret_cast<Int>(word) ^ upper_half;
  const Float y = (__builtin_convertvector(folded, Float) + 0.5f) * 0x1p-32f;

  // u = 2^exponent (1 + s) with 1 + s in [√½, √2), so that the logarithm is one polynomial.
  // Lower half, u = y: from the bits. Upper half, u = 1 - y: exponent 0 or -1.
  const Int root_half_bits = 0x3F3504F3 - Int{};
  const Int shifted = reinterpret_cast<Int>(y) - root_half_bits;
  const Int lower_exponent = shifted >> 23;
  const Float lower_s = reinterpret_cast<Float>((shifted & 0x007FFFFF) + root_half_bits) - 1.0f;
  const Int small = y < 0.29289322f;
  const Float upper_s = small ? -y : 1.0f - 2.0f * y;
  const Int upper_exponent = small ? Int{} : Int{} - 1;
  const Float s = upper_half ? upper_s : lower_s;
  const Float exponent =
      __builtin_convertvector(upper_half ? upper_exponent : lower_exponent, Float);

  // ln(1 + s) = s - s²/2 + s³ P(s): the coefficients of Cephes' logf.
  Float p = 7.0376836292e-2f * s - 1.1514610310e-1f;
  p = p * s + 1.1676998740e-1f;
  p = p * s - 1.2420140846e-1f;
  p = p * s + 1.4249322787e-1f;
  p = p * s - 1.6668057665e-1f;
  p = p * s + 2.0000714765e-1f;
  p = p * s - 2.4999993993e-1f;
  p = p * s + 3.3333331174e-1f;
  const Float square = s * s;
  // ln 2 in two parts, the first with few enough bits that its product with an exponent is exact.
  Float log = exponent * -2.12194440e-4f + square * s * p;
  log = log - 0.5f * square + s;
  log = log + exponent * 0.693359375f;
  return square_root(-2.0f * log);
}

// Normals from words: `radius` and `angle` are whole words, lane by lane.
MF_HD NormalPair box_muller(Vec<uint32_t> radius_word, Vec<uint32_t> angle_word) {
  using Float = Vec<float>;
  using Int = Vec<int32_t>;
  // The angle as a quarter turn and a rest in [-π/4, π/4): exact, since it is done on integers.
  const Vec<uint32_t> quarter = (angle_word + 0x20000000u) >> 30;
  const Int rest = reinterpret_cast<Int>(angle_word - (quarter << 30));
  const Float x = __builtin_convertvector(rest, Float) * 1.46291807926715968e-9f;  // 2π 2^-32
  const Float z = x * x;
  // Cephes' sinf and cosf.
  const Float sine =
      x + x * z * ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f);
  const Float cosine =
      1.0f - 0.5f * z +
      z * z * ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f);

  const Int swap = reinterpret_cast<Int>(quarter << 31) < 0;  // odd quarter turns
  const Vec<uint32_t> sine_sign = (quarter & 2u) << 30;
  const Vec<uint32_t> cosine_sign = ((quarter + 1u) & 2u) << 30;
  const Float radius = box_muller_radius(radius_word);
  const Float first = (swap ? sine : cosine) * radius, second = (swap ? cosine : sine) * radius;
  return {reinterpret_cast<Float>(reinterpret_cast<Vec<uint32_t>>(first) ^ cosine_sign),
          reinterpret_cast<Float>(reinterpret_cast<Vec<uint32_t>>(second) ^ sine_sign)};
}

}  // namespace midiff::MF_ISA
