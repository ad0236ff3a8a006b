#pragma once

#include "csrc/cpu/random_kernel_api.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

inline RandomKernels random_kernels() { return {}; }

}  // namespace midiff::MF_ISA
