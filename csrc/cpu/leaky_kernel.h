#pragma once

#include "csrc/cpu/leaky_kernel_api.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

inline LeakyKernels leaky_kernels() { return {}; }

}  // namespace midiff::MF_ISA
