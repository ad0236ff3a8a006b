// Schemas of the keyed random numbers. seeds: [E] int64; results: [E, count].
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY_FRAGMENT(midiff, library) {
  library.def(
      "uniform(Tensor seeds, SymInt purpose, SymInt step, SymInt count, ScalarType dtype) -> "
      "Tensor");
  library.def(
      "normal(Tensor seeds, SymInt purpose, SymInt step, SymInt count, float std, "
      "ScalarType dtype) -> Tensor");
  library.def("permutation(Tensor seeds, SymInt purpose, SymInt step, SymInt count) -> Tensor");
}
