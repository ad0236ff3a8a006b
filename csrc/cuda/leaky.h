// What the leaky RNN's kernels are given; free of torch. Tensors are contiguous.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "csrc/cuda/leaky_tasks.h"

namespace midiff::cuda {

cudaError_t launch_leaky_forward(const LeakyForwardTask<float>& task, cudaStream_t stream);
cudaError_t launch_leaky_forward(const LeakyForwardTask<double>& task, cudaStream_t stream);
cudaError_t launch_leaky_backward(const LeakyBackwardTask<float>& task, cudaStream_t stream);
cudaError_t launch_leaky_backward(const LeakyBackwardTask<double>& task, cudaStream_t stream);

// grad_input from the gradient of the states, and the weights' gradients.
cudaError_t launch_leaky_gradients(const LeakyGradientTask<float>& task, cudaStream_t stream);
cudaError_t launch_leaky_gradients(const LeakyGradientTask<double>& task, cudaStream_t stream);

}  // namespace midiff::cuda
