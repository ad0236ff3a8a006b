// Argument checks of the ops: each names the argument, what was expected and what came.
//
// The Python wrappers check first and raise ValueError or TypeError; these guard torch.ops.midiff
// against callers that come another way, and raise RuntimeError.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

namespace midiff {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// "[2, 20, 3000, 4]"
inline std::string shape_of(const Tensor& tensor) {
  std::string text = "[";
  for (const int64_t size : tensor.sizes()) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

inline constexpr int64_t kAnySize = -1;

// Checks rank and sizes; `axes` names them for the message, such as "[E, B, N]". Sizes given as
// kAnySize are free.
inline void check_shape(const Tensor& tensor, const char* name, const char* axes,
                        std::initializer_list<int64_t> sizes) {
  bool fits = tensor.dim() == static_cast<int64_t>(sizes.size());
  std::string wanted = "[";
  int64_t axis = 0;
  for (const int64_t size : sizes) {
    fits = fits && (size == kAnySize || tensor.size(axis) == size);
    if (axis++ > 0) wanted += ", ";
    wanted += size == kAnySize ? std::string("*") : std::to_string(size);
  }
  STD_TORCH_CHECK(fits, name, ": expected ", axes, " = ", wanted, "], got ", shape_of(tensor));
}

inline void check_dtype(const Tensor& tensor, const char* name, ScalarType dtype) {
  STD_TORCH_CHECK(tensor.scalar_type() == dtype, name, ": expected ",
                  torch::headeronly::toString(dtype), ", got ",
                  torch::headeronly::toString(tensor.scalar_type()));
}

inline void check_floating(ScalarType dtype, const char* name) {
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, name,
                  ": expected float32 or float64, got ", torch::headeronly::toString(dtype));
}

inline void check_cpu(const Tensor& tensor, const char* name) {
  STD_TORCH_CHECK(tensor.is_cpu(), name, ": expected a tensor on the CPU");
}

// Calls `function` with a value of type float or double, whose type is the tensor's element type:
//   dispatch_floating(input.scalar_type(), "input", [&](auto zero) { using T = decltype(zero); ...
//   });
template <class Function>
decltype(auto) dispatch_floating(ScalarType dtype, const char* name, Function&& function) {
  check_floating(dtype, name);
  return dtype == ScalarType::Float ? std::forward<Function>(function)(0.0f)
                                    : std::forward<Function>(function)(0.0);
}

}  // namespace midiff
