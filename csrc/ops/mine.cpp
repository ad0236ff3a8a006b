// Schema of the Donsker-Varadhan op: MI of every member and, where wanted, its gradients.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  // a: [E, S, A], b: [E, S, B], marginal_b: [E, S, B], permutation: [E, S] int64,
  // weight_a: [E, H, A], weight_b: [E, H, B], weight_h: [E, H, H], weight_out and biases: [E, H],
  // bias_out: [E]  ->  mi: [E], then d mi of a, b, marginal_b, weight_a, bias_a (which is also that
  // of bias_b), weight_b, weight_h, bias_h, weight_out, shaped like them. What is not wanted is
  // empty. With noise_seeds [E], noise_std times keyed normals of their streams (noise_purpose_a or
  // _b, noise_step) are added to a and to b; to the samples that are shuffled only where they are
  // those of b, without marginal_b. `rounding` is what products may be rounded to where that is
  // faster: 0 float32, 1 TF32, 2 bf16; sums stay float32. The gradients cost one pass together with
  // the value, so they are results of the op.
  library.def(
      "donsker_varadhan(Tensor a, Tensor b, Tensor? marginal_b, Tensor permutation, "
      "Tensor weight_a, Tensor bias_a, Tensor weight_b, Tensor bias_b, Tensor weight_h, "
      "Tensor bias_h, Tensor weight_out, Tensor? bias_out, float negative_slope, "
      "Tensor? noise_seeds, int noise_purpose_a, int noise_purpose_b, int noise_step, "
      "float noise_std, bool input_gradients, bool weight_gradients, int rounding) -> "
      "(Tensor mi, Tensor grad_a, Tensor grad_b, "
      "Tensor grad_marginal_b, Tensor grad_weight_a, Tensor grad_bias_a, Tensor grad_weight_b, "
      "Tensor grad_weight_h, Tensor grad_bias_h, Tensor grad_weight_out)");
}
