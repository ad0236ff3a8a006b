// One step of the leaky tanh RNN, for scalars (a CUDA lane) and vectors of units (a CPU core).
//
//   x_t = (1 - α) x_{t-1} + α (W_ih i_t + W_hh tanh x_{t-1} + b) + ξ_t
//
// The products are the driver's; they come with α already in them.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff {

struct LeakyShape {
  int64_t members, batch, steps, inputs, units;  // E, B, T, I, N

  MF_HD int64_t sequences() const { return members * batch; }
  // Rows of the product that makes a step's drive: rates, inputs, and a constant 1 for the bias.
  MF_HD int64_t sources() const { return units + inputs + 1; }
};

// x_t from x_{t-1}; drive = α (W_ih i_t + W_hh tanh x_{t-1} + b), leak = 1 - α.
template <class V, class T>
MF_HD V leaky_forward(V state, V drive, V noise, T leak) {
  return leak * state + (drive + noise);
}

// dL/dx_{t-1} from dL/dx_t. `rate` = tanh x_{t-1}, `feedback` = α W_hhᵀ dL/dx_t, and `grad_state`
// is what the loss says about x_{t-1} itself.
//
// The other derivatives need no function: dL/dξ_t = dL/dx_t, and every weight and input sees
// α dL/dx_t times its partner in the product.
template <class V, class T>
MF_HD V leaky_backward(V grad_next, V rate, V feedback, V grad_state, T leak) {
  return leak * grad_next + (feedback * (1 - rate * rate) + grad_state);
}

}  // namespace midiff
