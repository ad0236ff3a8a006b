// Lorenz's system: x' = σ (y - x), y' = x (ρ - z) - y, z' = x y - β z.
#pragma once

#include "csrc/common/rounding.h"

namespace midiff {

struct Lorenz {
  static constexpr const char* kName = "lorenz";
  static constexpr int kDimension = 3;
  static constexpr int kParameters = 3;  // σ, ρ, β

  template <class V>
  static MF_HD void slope(const V (&state)[kDimension], const V (&parameter)[kParameters],
                          V (&out)[kDimension]) {
    const V &x = state[0], &y = state[1], &z = state[2];
    const V &sigma = parameter[0], &rho = parameter[1], &beta = parameter[2];
    out[0] = product(sigma, y - x);
    out[1] = product(x, rho - z) - y;
    out[2] = product(x, y) - product(beta, z);
  }
};

}  // namespace midiff
