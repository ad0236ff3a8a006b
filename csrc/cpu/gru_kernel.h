// The table of the GRU's kernels for one instruction set.
#pragma once

#include "csrc/cpu/gru_backward_kernel.h"
#include "csrc/cpu/gru_forward_kernel.h"
#include "csrc/cpu/gru_gates.h"
#include "csrc/cpu/gru_kernel_api.h"

namespace midiff::MF_ISA {

template <class T>
constexpr GruKernelsOf<T> gru_kernels_of() {
  return {gru_gates_size<T>,
          gru_pack_gates<T>,
          gru_forward_scratch_size<T>,
          gru_forward_range<T>,
          gru_feedback_size<T>,
          gru_pack_feedback<T>,
          gru_backward_scratch_size<T>,
          gru_weight_sums_size<T>,
          gru_backward_range<T>,
          gru_add_weight_sums<T>};
}

constexpr GruKernels gru_kernels() { return {gru_kernels_of<float>(), gru_kernels_of<double>()}; }

}  // namespace midiff::MF_ISA
