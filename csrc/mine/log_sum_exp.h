// Running log-sum-exp: one pass, never overflows, and what was weighted by exp(x - maximum) so far
// can be brought to a new maximum by one factor.
#pragma once

#include <cmath>

#include "csrc/common/macros.h"

namespace midiff {

struct LogSumExp {
  double maximum = -HUGE_VAL;  // largest value seen
  double sum = 0.0;            // sum of exp(value - maximum)

  // Takes `other_maximum` into account and returns the factor by which weights relative to the old
  // maximum have to be multiplied (1 if the maximum stays).
  MF_HD double raise(double other_maximum) {
    if (!(other_maximum > maximum)) return 1.0;
    const double factor = exp(maximum - other_maximum);
    maximum = other_maximum;
    sum *= factor;
    return factor;
  }

  // Weight of `value` relative to the maximum, which must not be smaller; adds it to the sum.
  MF_HD double add(double value) {
    const double weight = exp(value - maximum);
    sum += weight;
    return weight;
  }

  MF_HD void merge(const LogSumExp& other) {
    raise(other.maximum);
    sum += other.sum * exp(other.maximum - maximum);
  }

  // Weight, in the whole sum, of what was weighted by exp(x - other_maximum). Not by way of
  // value(): its rounding error would count as often as exp(x) is large.
  MF_HD double share(double other_maximum) const { return exp(other_maximum - maximum) / sum; }

  MF_HD double value() const { return maximum + log(sum); }
};

}  // namespace midiff
