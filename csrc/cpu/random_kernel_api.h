// What the random kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

namespace midiff {

struct RandomKernels {};

}  // namespace midiff
