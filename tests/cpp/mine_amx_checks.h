// Checks of a Donsker-Varadhan kernel for tiles: sizes that fill no tile, block or chunk evenly,
// and weights that are not numbers.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "tests/cpp/mine_definition.h"

namespace midiff::test {

// What the rounding of numbers may cost: of any numbers, and of those that bf16 rounds little.
struct TileTolerance {
  Tolerance normal, few_bits;
};

// Numbers of one part have 8 bits, those of two 16; scores are of order 10.
inline constexpr TileTolerance kWhole = {{0.1, 8e-2}, {2e-3, 2e-2}};
inline constexpr TileTolerance kSplit = {{3e-4, 2e-4}, {1e-5, 5e-5}};

inline void check_sizes(const MineKernel<float>& kernel, const TileTolerance& tolerance) {
  // Slope 1, so that no unit near 0 changes its derivative.
  constexpr Size kNormal[] = {{1, 1, 1, 1},     {33, 3, 5, 7},     {65, 1, 50, 33},
                              {129, 20, 3, 16}, {300, 33, 40, 66}, {600, 3, 1, 100},
                              {40, 20, 20, 512}};
  for (const Size size : kNormal) test_size(kernel, size, 1.0, 2, tolerance.normal);
  constexpr Size kFewBits[] = {{1, 1, 1, 1},      {33, 3, 1, 16},  {300, 20, 20, 33},
                               {130, 50, 3, 100}, {600, 1, 20, 7}, {40, 20, 20, 512}};
  for (const double slope : {0.0, 0.25, 1.0})
    for (const Size size : kFewBits)
      test_size(kernel, size, slope, 2, tolerance.few_bits, Numbers::kFewBits);
  for (const Noise noise : {Noise::kOnPairs, Noise::kOnShuffledToo})
    test_size(kernel, {300, 7, 20, 33}, 1.0, 2, tolerance.normal, Numbers::kNormal, noise);
}

struct Lane {
  LaneResult result;
  std::vector<float> sums;  // of gradients
};

// All samples in one lane, without input gradients.
inline Lane run_lane(const MineKernel<float>& kernel, const Problem<float>& p) {
  const auto [samples, a_size, b_size, hidden] = p.size;
  const MineShape shape = {a_size, b_size, hidden, true, false};
  const auto packed = aligned_memory<float>(kernel.packed_size(shape));
  const auto sums = aligned_memory<float>(kernel.sums_size(shape));
  const auto scratch = aligned_memory<float>(kernel.scratch_size(shape));
  const SampleRows<float> a = {p.a.data(), 0, a_size}, b = {p.b.data(), 0, b_size};
  const MineSamples<float> pairs = {
      samples, a,       b,      b, {}, false, p.permutation.data(), static_cast<float>(p.slope),
      nullptr, nullptr, nullptr};
  kernel.pack(shape, p.weights(), packed.get());
  const LaneResult result =
      kernel.lane(shape, pairs, packed.get(), 0, samples, sums.get(), scratch.get());
  return {result, {sums.get(), sums.get() + kernel.sums_size(shape)}};
}

// A weight that is no number must not be hidden by the sign bit of what it made.
inline void check_not_a_number(const MineKernel<float>& kernel) {
  for (const bool hidden : {false, true}) {
    Problem<float> p({40, 3, 2, 20}, 0.0);
    (hidden ? p.wh : p.wa)[1] = std::numeric_limits<float>::quiet_NaN();
    MF_EXPECT(std::isnan(run_lane(kernel, p).result.joint_sum));
  }
}

inline void check_tiles(const MineKernel<float>& kernel, const TileTolerance& tolerance) {
  check_sizes(kernel, tolerance);
  check_not_a_number(kernel);
}

}  // namespace midiff::test
