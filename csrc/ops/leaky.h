// The leaky RNN as an op: what every device's implementation checks.
#pragma once

#include "csrc/cells/leaky.h"
#include "csrc/ops/checks.h"

namespace midiff {

// input: [E, B, T, I], h0: [E, B, N], weight_ih: [E, N, I], weight_hh: [E, N, N], one dtype.
inline LeakyShape check_leaky_arguments(const Tensor& input, const Tensor& h0,
                                        const Tensor& weight_ih, const Tensor& weight_hh) {
  check_floating(input.scalar_type(), "input");
  check_shape(input, "input", "[E, B, T, I]", {kAnySize, kAnySize, kAnySize, kAnySize});
  const int64_t members = input.size(0), batch = input.size(1), inputs = input.size(3);
  check_shape(weight_ih, "weight_ih", "[E, N, I]", {members, kAnySize, inputs});
  const int64_t units = weight_ih.size(1);
  check_shape(weight_hh, "weight_hh", "[E, N, N]", {members, units, units});
  check_shape(h0, "h0", "[E, B, N]", {members, batch, units});
  STD_TORCH_CHECK(inputs >= 1, "input: expected at least one input, got ", shape_of(input));
  STD_TORCH_CHECK(units >= 1, "weight_hh: expected at least one unit, got ", shape_of(weight_hh));
  check_dtype(h0, "h0", input.scalar_type());
  check_dtype(weight_ih, "weight_ih", input.scalar_type());
  check_dtype(weight_hh, "weight_hh", input.scalar_type());
  return {members, batch, input.size(2), inputs, units};
}

// states, their gradient, or the noise: [E, B, T, N].
inline void check_leaky_sequences(const Tensor& tensor, const char* name, const LeakyShape& shape,
                                  ScalarType dtype) {
  check_shape(tensor, name, "[E, B, T, N]", {shape.members, shape.batch, shape.steps, shape.units});
  check_dtype(tensor, name, dtype);
}

}  // namespace midiff
