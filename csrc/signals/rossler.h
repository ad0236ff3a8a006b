// Rössler's system: x' = -(y + z), y' = x + a y, z' = b + z (x - c).
#pragma once

#include "csrc/common/rounding.h"

namespace midiff {

struct Rossler {
  static constexpr const char* kName = "rossler";
  static constexpr int kDimension = 3;
  static constexpr int kParameters = 3;  // a, b, c

  template <class V>
  static MF_HD void slope(const V (&state)[kDimension], const V (&parameter)[kParameters],
                          V (&out)[kDimension]) {
    const V &x = state[0], &y = state[1], &z = state[2];
    const V &a = parameter[0], &b = parameter[1], &c = parameter[2];
    out[0] = -(y + z);
    out[1] = x + product(a, y);
    out[2] = b + product(z, x - c);
  }
};

}  // namespace midiff
