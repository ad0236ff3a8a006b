// Tensors of sequences on their way to the kernels, for the drivers of the recurrent ops.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>

#include "csrc/cpu/sequences.h"
#include "csrc/ops/checks.h"

namespace midiff {

// The tensor itself if its last axis is dense, else a contiguous copy.
inline Tensor dense_rows(const Tensor& tensor) {
  const int64_t last = tensor.dim() - 1;
  return tensor.size(last) <= 1 || tensor.strides()[last] == 1 ? tensor
                                                               : torch::stable::contiguous(tensor);
}

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
