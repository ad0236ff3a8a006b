// Schemas of the GRU. input: [E, B, T, I], h0: [E, B, H], weight_ih: [E, 3H, I],
// weight_hh: [E, 3H, H], bias_ih and bias_hh: [E, 3H]; the gates in the order reset, update,
// candidate.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  // All hidden states: [E, B, T, H].
  library.def(
      "gru(Tensor input, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor bias_ih, "
      "Tensor bias_hh) -> Tensor");
  // The last hidden state alone: [E, B, H].
  library.def(
      "gru_last(Tensor input, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor bias_ih, "
      "Tensor bias_hh) -> Tensor");
  // Gradients with the shapes of input, h0, weight_ih, weight_hh, bias_ih and bias_hh; those that
  // are not needed come back as [0].
  library.def(
      "gru_backward(Tensor grad_states, Tensor states, Tensor input, Tensor h0, Tensor weight_ih, "
      "Tensor weight_hh, Tensor bias_ih, Tensor bias_hh, bool needs_input, bool needs_h0, "
      "bool needs_weights) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}
