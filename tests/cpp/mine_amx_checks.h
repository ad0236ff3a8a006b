// Checks of the Donsker-Varadhan kernel for tiles, on the emulated unit: for sizes that fill no
// tile, block or chunk evenly, and for weights that are not numbers.
#pragma once

#include <cmath>
#include <limits>

#include "tests/cpp/mine_definition.h"

namespace midiff::test {

inline void check_tiles(const MineKernel<float>& kernel) {
  // 8 bits, and scores of order 10; slope 1, so that no unit near 0 changes its derivative.
  constexpr Size kNormal[] = {{1, 1, 1, 1},     {33, 3, 5, 7},     {65, 1, 50, 33},
                              {129, 20, 3, 16}, {300, 33, 40, 66}, {600, 3, 1, 100},
                              {40, 20, 20, 512}};
  for (const Size size : kNormal) test_size(kernel, size, 1.0, 2, {0.1, 8e-2});
  constexpr Size kFewBits[] = {{1, 1, 1, 1},      {33, 3, 1, 16},  {300, 20, 20, 33},
                               {130, 50, 3, 100}, {600, 1, 20, 7}, {40, 20, 20, 512}};
  for (const double slope : {0.0, 0.25, 1.0})
    for (const Size size : kFewBits)
      test_size(kernel, size, slope, 2, {2e-3, 2e-2}, Numbers::kFewBits);
  for (const Noise noise : {Noise::kOnPairs, Noise::kOnShuffledToo})
    test_size(kernel, {300, 7, 20, 33}, 1.0, 2, {0.1, 8e-2}, Numbers::kNormal, noise);
}

// A weight that is no number must not be hidden by the sign bit of what it made.
inline void check_not_a_number(const MineKernel<float>& kernel) {
  const Size size = {40, 3, 2, 20};
  const MineShape shape = {size.a, size.b, size.hidden, true, false};
  for (const bool hidden : {false, true}) {
    Problem<float> p(size, 0.0);
    (hidden ? p.wh : p.wa)[1] = std::numeric_limits<float>::quiet_NaN();
    const auto packed = aligned_memory<float>(kernel.packed_size(shape));
    const auto sums = aligned_memory<float>(kernel.sums_size(shape));
    const auto scratch = aligned_memory<float>(kernel.scratch_size(shape));
    const SampleRows<float> a = {p.a.data(), 0, size.a}, b = {p.b.data(), 0, size.b};
    const MineSamples<float> pairs = {size.samples,         a,    b,       b,       {},     false,
                                      p.permutation.data(), 0.0f, nullptr, nullptr, nullptr};
    kernel.pack(shape, p.weights(), packed.get());
    const LaneResult result =
        kernel.lane(shape, pairs, packed.get(), 0, size.samples, sums.get(), scratch.get());
    MF_EXPECT(std::isnan(result.joint_sum));
  }
}

}  // namespace midiff::test
