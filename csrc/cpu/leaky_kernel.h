// The table of the leaky RNN's kernels for one instruction set.
#pragma once

#include "csrc/cpu/leaky_backward_kernel.h"
#include "csrc/cpu/leaky_forward_kernel.h"
#include "csrc/cpu/leaky_kernel_api.h"

namespace midiff::MF_ISA {

template <class T>
constexpr LeakyKernelsOf<T> leaky_kernels_of() {
  return {leaky_forward_packed_size<T>,   leaky_pack_forward<T>,
          leaky_forward_scratch_size<T>,  leaky_forward_range<T>,
          leaky_backward_packed_size<T>,  leaky_pack_backward<T>,
          leaky_backward_scratch_size<T>, leaky_weight_sums_size<T>,
          leaky_backward_range<T>,        leaky_add_weight_sums<T>};
}

constexpr LeakyKernels leaky_kernels() {
  return {leaky_kernels_of<float>(), leaky_kernels_of<double>()};
}

}  // namespace midiff::MF_ISA
