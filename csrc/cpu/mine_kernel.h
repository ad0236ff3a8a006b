#pragma once

#include "csrc/cpu/mine_kernel_api.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

inline MineKernels mine_kernels() { return {}; }

}  // namespace midiff::MF_ISA
