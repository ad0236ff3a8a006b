// What the trajectory kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

#include "csrc/signals/systems.h"

namespace midiff {

// M trajectories of a system of D variables and P parameters.
struct TrajectoryTask {
  int64_t trajectories, samples, first, substeps;
  double step;               // of the integrator: interval / substeps
  const double* initial;     // [M, D]
  const double* parameters;  // [M, P]
  double* values;            // [M, samples - first, D]
  double* lowest;            // [M, D], over all samples
  double* highest;           // [M, D]
};

// Integrates the trajectories of blocks [first_block, last_block).
using Integrate = void (*)(const TrajectoryTask& task, int64_t first_block, int64_t last_block);

struct TrajectoryKernels {
  int64_t block;  // trajectories integrated side by side
  Integrate integrate[Systems::kCount];
};

}  // namespace midiff
