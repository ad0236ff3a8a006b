// Launch of the Donsker-Varadhan kernels; free of torch.
#pragma once

#include <cuda_runtime_api.h>

#include "csrc/cuda/mine_tasks.h"

namespace midiff::cuda {

// Whether the current device has what the kernels for narrow critics want of it.
bool narrow_mine_runs_here();

cudaError_t launch_mine(const MineTask<float>& task, cudaStream_t stream);
cudaError_t launch_mine(const MineTask<double>& task, cudaStream_t stream);

}  // namespace midiff::cuda
