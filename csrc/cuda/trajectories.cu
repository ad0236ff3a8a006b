// Picks the system's kernel and launches it.
#include "csrc/cuda/trajectories.h"

#include "csrc/cuda/launch.cuh"
#include "csrc/cuda/trajectories_kernel.cuh"

namespace midiff::cuda {
namespace {

using Integrate = void (*)(TrajectoryTask task);

template <class... Listed>
Integrate kernel_of(SystemList<Listed...>, int64_t system) {
  constexpr Integrate kernels[] = {integrate<Listed>...};
  return kernels[system];
}

}  // namespace

cudaError_t launch_trajectories(int64_t system, const TrajectoryTask& task, cudaStream_t stream) {
  if (task.trajectories == 0) return cudaSuccess;
  const int64_t blocks = (task.trajectories + kTrajectoryThreads - 1) / kTrajectoryThreads;
  return launch(kernel_of(Systems{}, system), blocks_of(blocks), kTrajectoryThreads, 0, stream,
                task);
}

}  // namespace midiff::cuda
