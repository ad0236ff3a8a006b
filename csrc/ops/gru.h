// The GRU as an op: what every device's implementation checks.
#pragma once

#include "csrc/cells/gru.h"
#include "csrc/ops/checks.h"

namespace midiff {

// input: [E, B, T, I], h0: [E, B, H], weight_ih: [E, 3H, I], weight_hh: [E, 3H, H],
// bias_ih and bias_hh: [E, 3H], one dtype.
inline GruShape check_gru_arguments(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                                    const Tensor& weight_hh, const Tensor& bias_ih,
                                    const Tensor& bias_hh) {
  const ScalarType dtype = input.scalar_type();
  check_floating(dtype, "input");
  check_shape(input, "input", "[E, B, T, I]", {kAnySize, kAnySize, kAnySize, kAnySize});
  const int64_t members = input.size(0), batch = input.size(1), inputs = input.size(3);
  check_shape(h0, "h0", "[E, B, H]", {members, batch, kAnySize});
  const int64_t units = h0.size(2);
  check_shape(weight_ih, "weight_ih", "[E, 3H, I]", {members, 3 * units, inputs});
  check_shape(weight_hh, "weight_hh", "[E, 3H, H]", {members, 3 * units, units});
  check_shape(bias_ih, "bias_ih", "[E, 3H]", {members, 3 * units});
  check_shape(bias_hh, "bias_hh", "[E, 3H]", {members, 3 * units});
  STD_TORCH_CHECK(inputs >= 1, "input: expected at least one input, got ", shape_of(input));
  STD_TORCH_CHECK(units >= 1, "weight_hh: expected at least one unit, got ", shape_of(weight_hh));
  check_dtype(h0, "h0", dtype);
  check_dtype(weight_ih, "weight_ih", dtype);
  check_dtype(weight_hh, "weight_hh", dtype);
  check_dtype(bias_ih, "bias_ih", dtype);
  check_dtype(bias_hh, "bias_hh", dtype);
  return {members, batch, input.size(2), inputs, units};
}

// states or their gradient: [E, B, T, H].
inline void check_gru_states(const Tensor& tensor, const char* name, const GruShape& shape,
                             ScalarType dtype) {
  check_shape(tensor, name, "[E, B, T, H]", {shape.members, shape.batch, shape.steps, shape.units});
  check_dtype(tensor, name, dtype);
}

}  // namespace midiff
