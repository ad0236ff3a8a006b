// Launches of the optimizers' steps; free of torch. sums: [E, parts], scratch, null without
// clipping by norm.
#pragma once

#include <cuda_runtime_api.h>

#include "csrc/cuda/optimizer_tasks.h"

namespace midiff::cuda {

cudaError_t launch_step(const StepTensors<float>& tensors, const StepClip<float>& clip,
                        const RMSpropRates<float>& rates, float* sums, cudaStream_t stream);
cudaError_t launch_step(const StepTensors<double>& tensors, const StepClip<double>& clip,
                        const RMSpropRates<double>& rates, double* sums, cudaStream_t stream);
cudaError_t launch_step(const StepTensors<float>& tensors, const StepClip<float>& clip,
                        const AdamRates<float>& rates, float* sums, cudaStream_t stream);
cudaError_t launch_step(const StepTensors<double>& tensors, const StepClip<double>& clip,
                        const AdamRates<double>& rates, double* sums, cudaStream_t stream);

}  // namespace midiff::cuda
