// Schemas of the optimizers' steps. Each list holds one tensor per weight, [E, …], all of one
// dtype.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  // The definitions are in midiff_fast/training/optimizers.py. Gradients are first scaled to
  // `clip_norm` at most, per tensor and member, then cut at ±`clip_value`; None for no limit.
  library.def(
      "rmsprop_step(Tensor(a!)[] parameters, Tensor(b!)[] squares, Tensor[] gradients, float rate, "
      "float rho, float epsilon, float? clip_norm, float? clip_value) -> ()");
  // `rate` includes the bias correction.
  library.def(
      "adam_step(Tensor(a!)[] parameters, Tensor(b!)[] means, Tensor(c!)[] squares, "
      "Tensor[] gradients, float rate, float beta1, float beta2, float epsilon, float? clip_norm, "
      "float? clip_value) -> ()");
}
