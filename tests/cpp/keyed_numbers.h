// Keyed random numbers by their definition, one at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/common/random.h"

namespace midiff::test {

inline uint32_t word_at(RandomStream stream, int64_t index) {
  return philox::words_of_block(stream, static_cast<uint64_t>(index) / 4).word[index % 4];
}

inline double normal_at(RandomStream stream, int64_t index) {
  const double u = radius_uniform(word_at(stream, index & ~int64_t{1}));
  const double angle = angle_from(word_at(stream, index | 1));
  const double radius = std::sqrt(-2.0 * std::log(u));
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace midiff::test
