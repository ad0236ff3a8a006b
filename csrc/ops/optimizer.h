// The optimizers' steps as ops: what every device's implementation checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "csrc/ops/checks.h"

namespace midiff {

// One of the lists: as many tensors as there are parameters, each of the parameter's shape and
// dtype. Those that are written to are contiguous.
inline void check_step_list(const std::vector<Tensor>& list, const char* name,
                            const std::vector<Tensor>& parameters, bool written) {
  STD_TORCH_CHECK(list.size() == parameters.size(), name, ": expected ", parameters.size(),
                  " tensors like parameters, got ", list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string wanted = shape_of(parameters[i]), came = shape_of(list[i]);
    STD_TORCH_CHECK(came == wanted, name, ": expected ", wanted, " like parameter ", i, ", got ",
                    came);
    STD_TORCH_CHECK(!written || list[i].is_contiguous(), name, ": expected tensor ", i,
                    " to be contiguous");
    check_dtype(list[i], name, parameters[0].scalar_type());
  }
}

// The number of members E, which all parameters share.
inline int64_t check_step_parameters(const std::vector<Tensor>& parameters) {
  STD_TORCH_CHECK(!parameters.empty(), "parameters: expected at least one tensor");
  for (const Tensor& parameter : parameters) {
    STD_TORCH_CHECK(parameter.dim() > 0 && parameter.size(0) == parameters[0].size(0),
                    "parameters: expected [E, …] with one E, got ", shape_of(parameters[0]),
                    " and ", shape_of(parameter));
  }
  check_floating(parameters[0].scalar_type(), "parameters");
  check_step_list(parameters, "parameters", parameters, true);
  return parameters[0].size(0);
}

}  // namespace midiff
