// Random-number kernels: known answers of Philox 4x32-10, and every length and offset against the
// scalar definition.
#include "csrc/common/random.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/cpp/harness.h"
#include "tests/cpp/keyed_numbers.h"

namespace {

using midiff::Kernels;
using midiff::RandomStream;
using midiff::test::normal_at;
using midiff::test::word_at;

// Known answers published with the Random123 library: counter, key -> words.
void test_known_answers() {
  struct Case {
    uint64_t block;
    uint32_t step, purpose;
    uint64_t seed;
    uint32_t words[4];
  };
  const Case cases[] = {
      {0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {~0ull, ~0u, ~0u, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x85a308d3243f6a88ull,
       0x13198a2e,
       0x03707344,
       0x299f31d0a4093822ull,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Case& known : cases) {
    const auto words =
        midiff::philox::words_of_block({known.seed, known.purpose, known.step}, known.block);
    for (int i = 0; i < 4; ++i) MF_EXPECT(words.word[i] == known.words[i]);
  }
}

// Buffers are exactly as long as what is asked for, so that a write beyond is caught.
void test_kernels(const Kernels& kernels) {
  const RandomStream stream{0x0123456789abcdefull, 5, 77};
  // Blocks beyond 2^32 use the second counter word.
  for (const int64_t first : {int64_t{0}, int64_t{4}, int64_t{1000}, (int64_t{1} << 34) - 8}) {
    for (int64_t count = 0; count <= 140; ++count) {
      const auto size = static_cast<size_t>(count);
      std::vector<uint32_t> bits(size);
      std::vector<float> uniform(size), normal(size);
      std::vector<double> uniform_wide(size), normal_wide(size);
      kernels.random.bits(stream, first, count, bits.data());
      kernels.random.uniform_float(stream, first, count, uniform.data());
      kernels.random.uniform_double(stream, first, count, uniform_wide.data());
      kernels.random.normal_float(stream, first, count, 1.0f, normal.data());
      kernels.random.normal_double(stream, first, count, 2.0, normal_wide.data());
      for (size_t i = 0; i < size; ++i) {
        const int64_t index = first + static_cast<int64_t>(i);
        const uint32_t word = word_at(stream, index);
        MF_EXPECT(bits[i] == word);
        MF_EXPECT(uniform[i] == static_cast<float>(word >> 8) * 0x1p-24f);
        MF_EXPECT(uniform_wide[i] == static_cast<double>(uniform[i]));
        MF_EXPECT(std::abs(normal[i] - normal_at(stream, index)) < 1e-6);
        MF_EXPECT(std::abs(normal_wide[i] - 2.0 * normal_at(stream, index)) < 1e-14);
      }
    }
  }
}

}  // namespace

int main() {
  test_known_answers();
  midiff::test::for_each_instruction_set(test_kernels);
}
