// Schemas of the leaky RNN. input: [E, B, T, I], h0: [E, B, N], weight_ih: [E, N, I],
// weight_hh: [E, N, N], bias: [E, N], noise: [E, B, T, N].
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  // All states: [E, B, T, N].
  library.def(
      "leaky_rnn(Tensor input, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor bias, "
      "Tensor? noise, float alpha) -> Tensor");
  // The last state alone: [E, B, N].
  library.def(
      "leaky_rnn_last(Tensor input, Tensor h0, Tensor weight_ih, Tensor weight_hh, Tensor bias, "
      "Tensor? noise, float alpha) -> Tensor");
  // Gradients with the shapes of input, h0, weight_ih, weight_hh, bias and noise; those that are
  // not needed come back as [0].
  library.def(
      "leaky_rnn_backward(Tensor grad_states, Tensor states, Tensor input, Tensor h0, "
      "Tensor weight_ih, Tensor weight_hh, float alpha, bool needs_input, bool needs_h0, "
      "bool needs_weights, bool needs_noise) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}
