// Donsker-Varadhan kernels: value and every gradient against the definition in double precision,
// for sizes that fill no vector, tile, group or chunk evenly.
#include "tests/cpp/mine_definition.h"

namespace {

using midiff::Kernels;
using midiff::MineKernel;
using midiff::test::Noise;
using midiff::test::Numbers;
using midiff::test::Size;
using midiff::test::test_size;

constexpr Size kSizes[] = {
    {1, 1, 1, 1}, {33, 3, 5, 13}, {129, 7, 2, 37}, {700, 4, 17, 20}, {300, 33, 40, 66}};

void test_all(const Kernels& kernels) {
  for (const double slope : {0.0, 0.25, 1.0}) {
    for (const Size size : kSizes) {
      test_size<float>(kernels.mine.f32, size, slope, 2, {1e-5, 2e-5});
      test_size<double>(kernels.mine.f64, size, slope, 3, {1e-12, 1e-12});
    }
  }
}

// Rows of 4, 8 and 40 variables begin at a four of the stream, the others anywhere.
void test_noise(const Kernels& kernels) {
  for (const Noise noise : {Noise::kOnPairs, Noise::kOnShuffledToo})
    for (const Size size : {Size{33, 3, 5, 13}, Size{129, 7, 1, 37}, Size{300, 33, 40, 20},
                            Size{140, 4, 8, 16}, Size{1, 1, 2, 3}}) {
      test_size<float>(kernels.mine.f32, size, 0.25, 2, {1e-5, 2e-5}, Numbers::kNormal, noise);
      test_size<double>(kernels.mine.f64, size, 0.25, 3, {1e-12, 1e-12}, Numbers::kNormal, noise);
    }
}

// bf16 has 8 bits, and these scores are of order 10. With slope 1, so that no unit near 0 changes
// its derivative at one go.
void test_bf16(const MineKernel<float>& kernel) {
  for (const Size size : kSizes) test_size(kernel, size, 1.0, 2, {0.1, 4e-2});
}

}  // namespace

int main() {
  midiff::test::for_each_instruction_set(test_all);
  midiff::test::for_each_instruction_set(test_noise);
  if (midiff::bf16_mine() != nullptr) test_bf16(*midiff::bf16_mine());
}
