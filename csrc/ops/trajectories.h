// Trajectories as an op: what every device's implementation checks.
#pragma once

#include <cmath>

#include "csrc/ops/checks.h"
#include "csrc/signals/systems.h"

namespace midiff {

// initial: [M, D], parameters: [M, P], float64. Returns the system.
inline const SystemInfo& check_trajectory_arguments(int64_t system_index, const Tensor& initial,
                                                    const Tensor& parameters, double interval,
                                                    int64_t samples, int64_t substeps,
                                                    int64_t first) {
  STD_TORCH_CHECK(system_index >= 0 && system_index < Systems::kCount, "system: expected 0 to ",
                  Systems::kCount - 1, ", got ", system_index);
  const SystemInfo& system = Systems::kInfo[system_index];
  check_shape(initial, "initial", "[M, D]", {kAnySize, system.dimension});
  check_dtype(initial, "initial", ScalarType::Double);
  check_shape(parameters, "parameters", "[M, P]", {initial.size(0), system.parameters});
  check_dtype(parameters, "parameters", ScalarType::Double);
  STD_TORCH_CHECK(interval > 0 && std::isfinite(interval),
                  "interval: expected a finite time above 0, got ", interval);
  STD_TORCH_CHECK(samples >= 1, "samples: expected at least 1, got ", samples);
  STD_TORCH_CHECK(substeps >= 1, "substeps: expected at least 1, got ", substeps);
  STD_TORCH_CHECK(first >= 0 && first < samples, "first: expected 0 to ", samples - 1, ", got ",
                  first);
  return system;
}

}  // namespace midiff
