// Optimizer steps of a whole ensemble: all tensors of all members in one launch.
//
// A block takes one part of one tensor of one member. A member's norm of a tensor is over all of
// its parts, and no block may wait for another: with clipping by norm a kernel of its own sums the
// squares of each part, and every block of the step adds up the sums of its tensor, in order. With
// one block a tensor and member one kernel would do, but a multiprocessor moves some 100 GB/s: the
// 6 MB of a step of a 512 × 512 critic would take 60 µs.
//
// The definition is midiff_fast/training/optimizers.py. Parts depend on a tensor's size alone: a
// member has the same bits alone and in an ensemble.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/optimizer_tasks.h"

namespace midiff::cuda {

// v ← ρ v + (1-ρ) g²;  w ← w - rate g / √(v + ε)
template <class T>
struct RMSpropRule {
  RMSpropRates<T> rates;

  __device__ __forceinline__ void operator()(const StepTensor<T>& tensor, int64_t i, T g) const {
    const T square = rates.rho * tensor.square[i] + rates.rest * g * g;
    tensor.square[i] = square;
    tensor.parameter[i] -= rates.rate * g / std::sqrt(square + rates.epsilon);
  }
};

// m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  w ← w - rate m / (√v + ε)
template <class T>
struct AdamRule {
  AdamRates<T> rates;

  __device__ __forceinline__ void operator()(const StepTensor<T>& tensor, int64_t i, T g) const {
    const T mean = rates.beta1 * tensor.mean[i] + rates.rest1 * g;
    const T square = rates.beta2 * tensor.square[i] + rates.rest2 * g * g;
    tensor.mean[i] = mean;
    tensor.square[i] = square;
    tensor.parameter[i] -= rates.rate * mean / (std::sqrt(square) + rates.epsilon);
  }
};

// What a block works on.
template <class T>
struct StepPart {
  StepTensor<T> tensor;
  int64_t begin, end;  // in [E · size]
};

template <class T>
__device__ __forceinline__ StepPart<T> part_of_block(const StepTensors<T>& tensors) {
  const int64_t number = blockIdx.x;
  int index = 0;
  while (index + 1 < tensors.count && tensors.tensor[index + 1].first_part <= number) ++index;
  const StepTensor<T> tensor = tensors.tensor[index];
  const int64_t first = (number - tensor.first_part) * kStepPart;
  const int64_t last = first + kStepPart < tensor.size ? first + kStepPart : tensor.size;
  const int64_t member = blockIdx.y * tensor.size;
  return {tensor, member + first, member + last};
}

// sums: [E, parts]. Grid: (parts, E).
template <class T>
__global__ void __launch_bounds__(kStepThreads)
    gradient_squares(const StepTensors<T> tensors, T* sums) {
  const StepPart<T> part = part_of_block(tensors);
  T sum = 0;
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kStepThreads)
    sum += part.tensor.gradient[i] * part.tensor.gradient[i];
  sum = over_block<kStepThreads>(sum, shared_memory<T>(), Add{});
  if (threadIdx.x == 0) sums[blockIdx.y * tensors.parts + blockIdx.x] = sum;
}

// The larger of a member's norm of a tensor and the limit; not a number where the norm is none.
template <class T>
__device__ __forceinline__ T limited_norm(const StepTensors<T>& tensors, const StepTensor<T>& own,
                                          const T* sums, T limit) {
  const T* parts = sums + blockIdx.y * tensors.parts + own.first_part;
  const int64_t count = step_parts(own.size);
  T sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kStepThreads) sum += parts[i];
  const T norm = std::sqrt(over_block<kStepThreads>(sum, shared_memory<T>(), Add{}));
  return norm < limit ? limit : norm;
}

// sums: of gradient_squares, not read without clipping by norm. Grid: (parts, E).
template <class T, class Rule>
__global__ void __launch_bounds__(kStepThreads)
    step_parameters(const StepTensors<T> tensors, StepClip<T> clip, Rule rule, const T* sums) {
  const StepPart<T> part = part_of_block(tensors);
  const T norm = clip.by_norm ? limited_norm(tensors, part.tensor, sums, clip.norm) : T(1);
  for (int64_t i = part.begin + threadIdx.x; i < part.end; i += kStepThreads) {
    T g = part.tensor.gradient[i];
    if (clip.by_norm) g = g * clip.norm / norm;
    if (clip.by_value) g = g < -clip.value ? -clip.value : g > clip.value ? clip.value : g;
    rule(part.tensor, i, g);
  }
}

// Of a block of either kernel.
template <class T>
MF_HD int64_t step_shared_bytes() {
  return kStepThreads * static_cast<int64_t>(sizeof(T));
}

}  // namespace midiff::cuda
