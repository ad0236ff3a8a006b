// Errors of the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>

namespace midiff::cuda {

// The error of a call that its caller deals with. The runtime keeps it for the thread's next
// cudaGetLastError(), which would take it for that of a good launch.
inline cudaError_t taken(cudaError_t error) {
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

}  // namespace midiff::cuda
