// What every device's integration of trajectories is given; free of torch.
#pragma once

#include <cstdint>

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

}  // namespace midiff
