// Launches of the keyed random numbers.
#include "csrc/cuda/random.h"

#include "csrc/cuda/launch.cuh"
#include "csrc/cuda/random_kernel.cuh"

namespace midiff::cuda {
namespace {

template <class T, class Numbers>
cudaError_t launch_numbers(const RandomDraw& draw, const Numbers& numbers, T* out,
                           cudaStream_t stream) {
  if (draw.members == 0 || draw.count == 0) return cudaSuccess;
  const int64_t blocks = (draw.count + 4 * kRandomThreads - 1) / (4 * kRandomThreads);
  const RandomTask task = {draw.seeds, draw.purpose, draw.step, draw.count};
  return launch(random_numbers<T, Numbers>, blocks_of(blocks, draw.members), kRandomThreads, 0,
                stream, task, numbers, out);
}

}  // namespace

cudaError_t launch_uniform(const RandomDraw& draw, float* out, cudaStream_t stream) {
  return launch_numbers(draw, UniformNumbers{}, out, stream);
}
cudaError_t launch_uniform(const RandomDraw& draw, double* out, cudaStream_t stream) {
  return launch_numbers(draw, UniformNumbers{}, out, stream);
}
cudaError_t launch_normal(const RandomDraw& draw, double std, float* out, cudaStream_t stream) {
  return launch_numbers(draw, NormalNumbers<float>{static_cast<float>(std)}, out, stream);
}
cudaError_t launch_normal(const RandomDraw& draw, double std, double* out, cudaStream_t stream) {
  return launch_numbers(draw, NormalNumbers<double>{std}, out, stream);
}
cudaError_t launch_keys(const RandomDraw& draw, int64_t* out, cudaStream_t stream) {
  return launch_numbers(draw, KeyNumbers{}, out, stream);
}

}  // namespace midiff::cuda
