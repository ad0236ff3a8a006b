// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). A number is a function of (seed, purpose, step, index).
//
// Key = the 64-bit seed; counter = (block, block >> 32, step, purpose). Word i of a stream is word
// i % 4 of block i / 4.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff {

// One stream of random words: everything but the position in it.
struct RandomStream {
  uint64_t seed;
  uint32_t purpose;
  uint32_t step;
};

namespace philox {

inline constexpr int kRounds = 10;
inline constexpr uint32_t kMultiplier0 = 0xD2511F53u;
inline constexpr uint32_t kMultiplier1 = 0xCD9E8D57u;
inline constexpr uint32_t kKeyStep0 = 0x9E3779B9u;  // golden ratio
inline constexpr uint32_t kKeyStep1 = 0xBB67AE85u;  // sqrt(3) - 1

struct Words {
  uint32_t word[4];
};

// The four words of one block.
MF_HD Words words_of_block(RandomStream stream, uint64_t block) {
  uint32_t word0 = static_cast<uint32_t>(block), word1 = static_cast<uint32_t>(block >> 32);
  uint32_t word2 = stream.step, word3 = stream.purpose;
  uint32_t key0 = static_cast<uint32_t>(stream.seed);
  uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(word0) * kMultiplier0;
    const uint64_t product1 = static_cast<uint64_t>(word2) * kMultiplier1;
    word0 = static_cast<uint32_t>(product1 >> 32) ^ word1 ^ key0;
    word2 = static_cast<uint32_t>(product0 >> 32) ^ word3 ^ key1;
    word1 = static_cast<uint32_t>(product1);
    word3 = static_cast<uint32_t>(product0);
    key0 += kKeyStep0;
    key1 += kKeyStep1;
  }
  return {{word0, word1, word2, word3}};
}

}  // namespace philox

// Uniform in [0, 1) from one word: its top 24 bits, so that float32 holds it exactly.
template <class T>
MF_HD T uniform_from(uint32_t word) {
  return static_cast<T>(word >> 8) * static_cast<T>(0x1p-24);
}

// Box-Muller: the radius from one word, u = (word + 1/2) 2^-32, and the angle from the next. Both
// are exact in float64.
inline constexpr double kTwoPi = 6.283185307179586476925286766559;

MF_HD double radius_uniform(uint32_t word) { return (word + 0.5) * 0x1p-32; }
MF_HD double angle_from(uint32_t word) { return word * (kTwoPi * 0x1p-32); }

}  // namespace midiff
