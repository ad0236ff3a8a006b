// What the leaky kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

namespace midiff {

struct LeakyKernels {};

}  // namespace midiff
