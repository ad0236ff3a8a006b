// Trajectories of chaotic systems on the device: a thread each.
//
// A step is one chain of some 60 dependent float64 operations of 8 cycles or more: 14,000 samples
// of one step each take 4 ms however many trajectories there are, up to some 60,000. A thread's
// samples lie side by side, and the second-level cache gathers its stores to whole lines.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/signals/integrator.h"
#include "csrc/signals/systems.h"
#include "csrc/signals/trajectory_task.h"

namespace midiff::cuda {

inline constexpr int kTrajectoryThreads = 32;  // small blocks reach every multiprocessor

template <class System>
__global__ void __launch_bounds__(kTrajectoryThreads) integrate(TrajectoryTask task) {
  constexpr int D = System::kDimension, P = System::kParameters;
  const int64_t m = static_cast<int64_t>(blockIdx.x) * kTrajectoryThreads + threadIdx.x;
  if (m >= task.trajectories) return;
  double state[D], parameter[P], lowest[D], highest[D];
  for (int i = 0; i < P; ++i) parameter[i] = task.parameters[m * P + i];
  for (int i = 0; i < D; ++i) lowest[i] = highest[i] = state[i] = task.initial[m * D + i];
  double* values = task.values + m * (task.samples - task.first) * D;
  for (int64_t sample = 0;; ++sample) {
    for (int i = 0; i < D; ++i) {
      lowest[i] = state[i] < lowest[i] ? state[i] : lowest[i];
      highest[i] = state[i] > highest[i] ? state[i] : highest[i];
    }
    if (sample >= task.first)
      for (int i = 0; i < D; ++i) values[(sample - task.first) * D + i] = state[i];
    if (sample + 1 >= task.samples) break;
    for (int64_t substep = 0; substep < task.substeps; ++substep)
      runge_kutta_step<System>(state, parameter, task.step);
  }
  for (int i = 0; i < D; ++i) {
    task.lowest[m * D + i] = lowest[i];
    task.highest[m * D + i] = highest[i];
  }
}

}  // namespace midiff::cuda
