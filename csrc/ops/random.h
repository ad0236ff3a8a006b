// Keyed random numbers as ops: what every device's implementation checks.
#pragma once

#include "csrc/common/random.h"
#include "csrc/ops/checks.h"

namespace midiff {

// Returns the stream of one seed. `purpose` and `step` fill one 32-bit word of the counter each.
inline RandomStream stream_of(int64_t seed, int64_t purpose, int64_t step) {
  return {static_cast<uint64_t>(seed), static_cast<uint32_t>(purpose), static_cast<uint32_t>(step)};
}

// seeds: [E] int64.
inline void check_random_arguments(const Tensor& seeds, int64_t purpose, int64_t step,
                                   int64_t count) {
  check_shape(seeds, "seeds", "[E]", {kAnySize});
  check_dtype(seeds, "seeds", ScalarType::Long);
  constexpr int64_t limit = int64_t{1} << 32;
  STD_TORCH_CHECK(purpose >= 0 && purpose < limit, "purpose: expected 0 to 2^32 - 1, got ",
                  purpose);
  STD_TORCH_CHECK(step >= 0 && step < limit, "step: expected 0 to 2^32 - 1, got ", step);
  STD_TORCH_CHECK(count >= 0, "count: expected 0 or more, got ", count);
}

}  // namespace midiff
