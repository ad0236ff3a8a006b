// Trajectories of chaotic systems on CUDA. That all numbers are finite is checked by the caller,
// who may prefer not to wait for the device.
#include "csrc/ops/trajectories.h"

#include <torch/csrc/stable/library.h>

#include <cstdint>
#include <tuple>

#include "csrc/cuda/torch.h"
#include "csrc/cuda/trajectories.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

// initial: [M, D], parameters: [M, P] -> values [M, samples - first, D], lowest and highest [M, D].
std::tuple<Tensor, Tensor, Tensor> trajectories(int64_t system_index, const Tensor& initial_,
                                                const Tensor& parameters_, double interval,
                                                int64_t samples, int64_t substeps, int64_t first) {
  const SystemInfo& system = check_trajectory_arguments(system_index, initial_, parameters_,
                                                        interval, samples, substeps, first);
  check_same_device(parameters_, "parameters", initial_);
  const CudaCall call(initial_);
  const int64_t count = initial_.size(0);
  const Tensor initial = as_contiguous(initial_), parameters = as_contiguous(parameters_);
  Tensor values = empty_like_device(initial, {count, samples - first, system.dimension});
  Tensor lowest = empty_like_device(initial, {count, system.dimension});
  Tensor highest = empty_like_device(initial, {count, system.dimension});
  const TrajectoryTask task = {count,
                               samples,
                               first,
                               substeps,
                               interval / static_cast<double>(substeps),
                               initial.const_data_ptr<double>(),
                               parameters.const_data_ptr<double>(),
                               values.mutable_data_ptr<double>(),
                               lowest.mutable_data_ptr<double>(),
                               highest.mutable_data_ptr<double>()};
  check_cuda(cuda::launch_trajectories(system_index, task, call.stream()), "trajectories");
  return {values, lowest, highest};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("trajectories", TORCH_BOX(&midiff::trajectories));
}
