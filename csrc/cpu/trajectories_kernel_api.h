// What the trajectory kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

#include "csrc/signals/systems.h"
#include "csrc/signals/trajectory_task.h"

namespace midiff {

// Integrates the trajectories of blocks [first_block, last_block).
using Integrate = void (*)(const TrajectoryTask& task, int64_t first_block, int64_t last_block);

struct TrajectoryKernels {
  int64_t block;  // trajectories integrated side by side
  Integrate integrate[Systems::kCount];
};

}  // namespace midiff
