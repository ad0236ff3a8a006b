// Launches of the keyed random numbers; free of torch. out: [E, count].
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace midiff::cuda {

struct RandomDraw {
  const int64_t* seeds;  // [E], on the device
  int64_t members;
  uint32_t purpose, step;
  int64_t count;
};

cudaError_t launch_uniform(const RandomDraw& draw, float* out, cudaStream_t stream);
cudaError_t launch_uniform(const RandomDraw& draw, double* out, cudaStream_t stream);
cudaError_t launch_normal(const RandomDraw& draw, double std, float* out, cudaStream_t stream);
cudaError_t launch_normal(const RandomDraw& draw, double std, double* out, cudaStream_t stream);
// The 32-bit words themselves.
cudaError_t launch_keys(const RandomDraw& draw, int64_t* out, cudaStream_t stream);

}  // namespace midiff::cuda
