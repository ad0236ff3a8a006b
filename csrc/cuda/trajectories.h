// Launch of the integration; free of torch.
#pragma once

#include <cuda_runtime_api.h>

#include "csrc/signals/trajectory_task.h"

namespace midiff::cuda {

// `system`: a position in csrc/signals/systems.h.
cudaError_t launch_trajectories(int64_t system, const TrajectoryTask& task, cudaStream_t stream);

}  // namespace midiff::cuda
