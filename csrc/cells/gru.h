// One step of the gated recurrent unit of torch.nn.GRU, for scalars (a CUDA lane) and vectors of
// units (a CPU core).
//
//   r = σ(W_ir i_t + b_ir + W_hr h_{t-1} + b_hr)       reset
//   z = σ(W_iz i_t + b_iz + W_hz h_{t-1} + b_hz)       update
//   n = tanh(W_in i_t + b_in + r (W_hn h_{t-1} + b_hn))  candidate
//   h_t = (1 - z) n + z h_{t-1}
//
// The products are the driver's.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"
#include "csrc/common/math.h"

namespace midiff {

struct GruShape {
  int64_t members, batch, steps, inputs, units;  // E, B, T, I, H

  MF_HD int64_t sequences() const { return members * batch; }
  // What multiplies the weights of a step: states, a constant 1 for the bias, inputs.
  MF_HD int64_t sources() const { return units + 1 + inputs; }
};

template <class V>
struct GruGates {
  V reset, update, candidate;
};

// The reset or the update gate from the sum inside it.
template <class V>
MF_HD V gru_gate(V sum) {
  return sigmoid(sum);
}

// From its input part, W_in i + b_in, and its state part, W_hn h + b_hn.
template <class V>
MF_HD V gru_candidate(V reset, V input_part, V state_part) {
  return tanh(input_part + reset * state_part);
}

// h_t from h_{t-1}.
template <class V>
MF_HD V gru_forward(const GruGates<V>& gates, V state) {
  return gates.candidate + gates.update * (state - gates.candidate);
}

// Derivatives of h_t by the four sums inside its gates.
template <class V>
struct GruSlopes {
  V reset, update, state_part, input_part;
};

// `state` = h_{t-1}.
template <class V>
MF_HD GruSlopes<V> gru_slopes(const GruGates<V>& gates, V state_part, V state) {
  const auto [reset, update, candidate] = gates;
  const V input_slope = (1 - update) * (1 - candidate * candidate);
  return {input_slope * state_part * (reset * (1 - reset)),
          (state - candidate) * (update * (1 - update)), input_slope * reset, input_slope};
}

// What dL/dh_t leaves in dL/dh_{t-1} beside the gates; `grad_state` is what the loss says about
// h_{t-1} itself.
//
// The other derivatives need no function: a sum inside a gate sees dL/dh_t times its slope, and
// every state, input, weight and bias sees that times its partner in the product.
template <class V>
MF_HD V gru_backward(V grad_next, V update, V grad_state) {
  return update * grad_next + grad_state;
}

}  // namespace midiff
