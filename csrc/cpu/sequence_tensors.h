// Tensors of sequences on their way to the kernels, for the drivers of the recurrent ops.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>

#include "csrc/cpu/sequences.h"
#include "csrc/ops/tensors.h"

namespace midiff {

// tensor: [E, B, T, ·] with a dense last axis.
template <class T>
Sequences<T> sequences_of(const Tensor& tensor) {
  const auto strides = tensor.strides();
  return {tensor.const_data_ptr<T>(), strides[0], strides[1], strides[2]};
}

template <class T>
T* data_or_null(const Tensor& tensor, bool wanted) {
  return wanted ? tensor.mutable_data_ptr<T>() : nullptr;
}

}  // namespace midiff
