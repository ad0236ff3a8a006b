// Launches of the GRU's kernels; free of torch.
#pragma once

#include <cuda_runtime_api.h>

#include "csrc/cuda/gru_tasks.h"

namespace midiff::cuda {

cudaError_t launch_gru_forward(const GruForwardTask<float>& task, cudaStream_t stream);
cudaError_t launch_gru_forward(const GruForwardTask<double>& task, cudaStream_t stream);

// One chunk of the backward pass; its weight gradients are added to what the sums hold, except
// where the task begins.
cudaError_t launch_gru_chunk(const GruChunkTask<float>& task, cudaStream_t stream);
cudaError_t launch_gru_chunk(const GruChunkTask<double>& task, cudaStream_t stream);

// After the last chunk.
cudaError_t launch_gru_collect(const GruCollectTask<float>& task, cudaStream_t stream);
cudaError_t launch_gru_collect(const GruCollectTask<double>& task, cudaStream_t stream);

}  // namespace midiff::cuda
