// Schema of the trajectories of chaotic systems. `system` is a position in csrc/signals/systems.h;
// initial: [M, D] and parameters: [M, P], float64.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  // Samples [M, samples - first, D] from number `first` on, at multiples of `interval`, and the
  // lowest and highest values [M, D] over all samples.
  library.def(
      "trajectories(SymInt system, Tensor initial, Tensor parameters, float interval, "
      "SymInt samples, SymInt substeps, SymInt first) -> (Tensor, Tensor, Tensor)");
}
