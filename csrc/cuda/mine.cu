// Launches the Donsker-Varadhan kernels, in the precision asked for.
#include "csrc/cuda/mine.h"

#include "csrc/cuda/launch.cuh"
#include "csrc/cuda/mine_run.cuh"

namespace midiff::cuda {
namespace {

template <class T, Products kProducts>
cudaError_t run(const MineTask<T>& task, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  run_mine<T, kProducts>(task, [&](auto kernel, int64_t x, int64_t y, int64_t z, int threads,
                                   int64_t shared, const auto&... arguments) {
    if (error == cudaSuccess)
      error = launch(kernel, blocks_of(x, y, z), threads, shared, stream, arguments...);
  });
  return error;
}

}  // namespace

bool narrow_mine_runs_here() { return most_shared_bytes() >= narrow_shared_bytes(); }

cudaError_t launch_mine(const MineTask<float>& task, cudaStream_t stream) {
  return task.highest ? run<float, Products::kHighest>(task, stream)
                      : run<float, Products::kHigh>(task, stream);
}

cudaError_t launch_mine(const MineTask<double>& task, cudaStream_t stream) {
  return run<double, Products::kHighest>(task, stream);
}

}  // namespace midiff::cuda
