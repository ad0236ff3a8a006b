// How many sequences and units of the leaky RNN are summed in registers at once.
#pragma once

#include <cstdint>

#include "csrc/cpu/leaky_kernel_api.h"
#include "csrc/cpu/row_tile.h"

namespace midiff::MF_ISA {

// 5 x 3 sums, 3 weights and a broadcast fill 19 of 32 registers; with 16 registers, 5 x 2 sums.
inline constexpr int kLeakyVectors = MF_VECTOR_BYTES == 64 ? 3 : 2;

// Calls visit(first element, Count<vectors>{}) until a padded row of `vectors` vectors is covered.
template <class T, class Visit>
MF_HD void for_each_panel(int64_t vectors, const Visit& visit) {
  int64_t v = 0;
  for (; v + kLeakyVectors <= vectors; v += kLeakyVectors)
    visit(v * kLanes<T>, Count<kLeakyVectors>{});
  if constexpr (kLeakyVectors > 2)
    if (vectors - v == 2) return visit(v * kLanes<T>, Count<2>{});
  if (vectors - v == 1) visit(v * kLanes<T>, Count<1>{});
}

}  // namespace midiff::MF_ISA
