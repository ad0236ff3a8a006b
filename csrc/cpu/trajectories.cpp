// Trajectories of chaotic systems on the CPU: threads take blocks of trajectories.
#include "csrc/ops/trajectories.h"

#include <torch/csrc/stable/library.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>

#include "csrc/cpu/kernels.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

// "(10, 28, 2.66667)"
std::string numbers(const double* values, int64_t count) {
  std::string text = "(";
  for (int64_t i = 0; i < count; ++i) {
    char number[32];
    std::snprintf(number, sizeof(number), "%g", values[i]);
    text += (i > 0 ? ", " : "") + std::string(number);
  }
  return text + ")";
}

// Once a component is infinite or not a number it stays so: the last sample tells.
void check_finite(const TrajectoryTask& task, const SystemInfo& system) {
  const int64_t kept = task.samples - task.first;
  for (int64_t m = 0; m < task.trajectories; ++m) {
    const double* last = task.values + ((m + 1) * kept - 1) * system.dimension;
    for (int64_t i = 0; i < system.dimension; ++i)
      STD_TORCH_CHECK(std::isfinite(last[i]), "trajectories: the ", system.name,
                      " system with parameters ",
                      numbers(task.parameters + m * system.parameters, system.parameters),
                      " leaves the finite numbers from initial value ",
                      numbers(task.initial + m * system.dimension, system.dimension),
                      ", in steps of ", task.step);
  }
}

// initial: [M, D], parameters: [M, P] -> values [M, samples - first, D], lowest and highest [M, D].
std::tuple<Tensor, Tensor, Tensor> trajectories(int64_t system_index, const Tensor& initial_,
                                                const Tensor& parameters_, double interval,
                                                int64_t samples, int64_t substeps, int64_t first) {
  const SystemInfo& system = check_trajectory_arguments(system_index, initial_, parameters_,
                                                        interval, samples, substeps, first);
  check_cpu(parameters_, "parameters");
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
  const TrajectoryKernels& kernel = kernels().trajectories;
  const int64_t blocks = (count + kernel.block - 1) / kernel.block;
  parallel_items(blocks, 1, [&](int64_t begin, int64_t end) {
    kernel.integrate[system_index](task, begin, end);
  });
  check_finite(task, system);
  return {values, lowest, highest};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CPU, library) {
  library.impl("trajectories", TORCH_BOX(&midiff::trajectories));
}
