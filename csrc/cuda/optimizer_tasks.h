// What the optimizers' kernels are given. Tensors are contiguous, a leading E on each.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff::cuda {

inline constexpr int kStepThreads = 256;

// Elements of a member's tensor that a block steps. A critic's 512 × 512 weights are 256 blocks:
// one member alone fills the device.
inline constexpr int64_t kStepPart = 1024;

// Tensors of one launch: their table is an argument of the kernel, of which there can be 4 KB.
inline constexpr int kStepTensors = 32;

template <class T>
struct StepTensor {
  T* parameter;       // [E, size]
  const T* gradient;  // [E, size]
  T* mean;            // [E, size] of the gradient; null where the rule has none
  T* square;          // [E, size]: mean of the gradient's square
  int64_t size;
  int64_t first_part;  // among those of all tensors
};

MF_HD int64_t step_parts(int64_t size) { return (size + kStepPart - 1) / kStepPart; }

template <class T>
struct StepTensors {
  StepTensor<T> tensor[kStepTensors];
  int count;
  int64_t members;
  int64_t parts;  // of a member, of all tensors
};

// Limits of the gradient: of a tensor's norm, for every member on its own, and of each element.
template <class T>
struct StepClip {
  bool by_norm, by_value;
  T norm, value;
};

template <class T>
struct RMSpropRates {
  T rate, rho, rest, epsilon;  // rest: 1 - rho
};

template <class T>
struct AdamRates {
  T rate, beta1, rest1, beta2, rest2, epsilon;  // rate: with the bias correction
};

}  // namespace midiff::cuda
