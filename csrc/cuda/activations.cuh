// tanh and the logistic function for a recurrence whose every step waits for them.
//
// In float32 by the device's own powers of two and reciprocals, some 60 cycles instead of the 120
// of a polynomial and a division that rounds correctly. Their absolute errors stay below 3e-7; tanh
// of a small number is a polynomial, accurate to 3 ulp. float64 takes csrc/common/math.h.
#pragma once

#include <cmath>

#include "csrc/common/math.h"
#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

#if defined(__CUDACC__)
// 2^x to 2 ulp; 0 below 2^-126, infinity above 2^128.
__device__ __forceinline__ float power_of_two(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// 1 / x to 1 ulp; 0 for infinity.
__device__ __forceinline__ float reciprocal(float x) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
#else
inline float power_of_two(float x) { return std::exp2(x); }
inline float reciprocal(float x) { return 1.0f / x; }
#endif

inline constexpr float kLog2OfE = 1.44269504f;

__device__ __forceinline__ float tanh_of(float x) {
  constexpr float kSmall = 0.6f;  // below it, 1 - 2 / (1 + e^2x) cancels
  const float size = std::fabs(x);
  const float square = x * x;
  // Minimax in the relative error on |x| <= 0.625: 5e-9.
  float tail = -0.00570496f * square + 0.02063906f;
  tail = tail * square + -0.05373971f;
  tail = tail * square + 0.13331442f;
  tail = tail * square + -0.33333282f;
  const float small = x + x * (square * tail);
  const float large = 1.0f - 2.0f * reciprocal(1.0f + power_of_two(2.0f * kLog2OfE * size));
  return size < kSmall ? small : std::copysign(large, x);
}

__device__ __forceinline__ float sigmoid_of(float x) {
  return reciprocal(1.0f + power_of_two(-kLog2OfE * x));
}

__device__ __forceinline__ double tanh_of(double x) { return midiff::tanh(x); }
__device__ __forceinline__ double sigmoid_of(double x) { return midiff::sigmoid(x); }

}  // namespace midiff::cuda
