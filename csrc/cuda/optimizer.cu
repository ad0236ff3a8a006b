// Launches of the optimizers' steps.
#include "csrc/cuda/optimizer.h"

#include "csrc/cuda/launch.cuh"
#include "csrc/cuda/optimizer_kernel.cuh"

namespace midiff::cuda {
namespace {

template <class T, class Rule>
cudaError_t step(const StepTensors<T>& tensors, const StepClip<T>& clip, const Rule& rule, T* sums,
                 cudaStream_t stream) {
  if (tensors.parts == 0 || tensors.members == 0) return cudaSuccess;
  const dim3 grid = blocks_of(tensors.parts, tensors.members);
  const int64_t shared = step_shared_bytes<T>();
  if (clip.by_norm) {
    const cudaError_t error =
        launch(gradient_squares<T>, grid, kStepThreads, shared, stream, tensors, sums);
    if (error != cudaSuccess) return error;
  }
  return launch(step_parameters<T, Rule>, grid, kStepThreads, shared, stream, tensors, clip, rule,
                static_cast<const T*>(sums));
}

}  // namespace

cudaError_t launch_step(const StepTensors<float>& tensors, const StepClip<float>& clip,
                        const RMSpropRates<float>& rates, float* sums, cudaStream_t stream) {
  return step(tensors, clip, RMSpropRule<float>{rates}, sums, stream);
}
cudaError_t launch_step(const StepTensors<double>& tensors, const StepClip<double>& clip,
                        const RMSpropRates<double>& rates, double* sums, cudaStream_t stream) {
  return step(tensors, clip, RMSpropRule<double>{rates}, sums, stream);
}
cudaError_t launch_step(const StepTensors<float>& tensors, const StepClip<float>& clip,
                        const AdamRates<float>& rates, float* sums, cudaStream_t stream) {
  return step(tensors, clip, AdamRule<float>{rates}, sums, stream);
}
cudaError_t launch_step(const StepTensors<double>& tensors, const StepClip<double>& clip,
                        const AdamRates<double>& rates, double* sums, cudaStream_t stream) {
  return step(tensors, clip, AdamRule<double>{rates}, sums, stream);
}

}  // namespace midiff::cuda
