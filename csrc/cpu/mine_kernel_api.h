// What the mine kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

namespace midiff {

struct MineKernels {};

}  // namespace midiff
