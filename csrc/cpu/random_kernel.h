// Philox 4x32-10 and Box-Muller on vectors: one lane of 64 bits holds one counter.
//
// The widening product of 32-bit words (pmuludq) reads only the low half of each 64-bit lane, so
// the upper halves may hold anything between rounds and a round costs six instructions.
#pragma once

#include "csrc/cpu/normal_vec.h"
#include "csrc/cpu/random_kernel_api.h"
#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

using Wide = Vec<uint64_t>;
inline constexpr int kCounters = kLanes<uint64_t>;
inline constexpr int kWords = 4 * kCounters;  // random words per call of `philox_blocks`

// The words of kCounters blocks, packed as pairs: lane c of `even` holds words 0 and 2 of block c
// (low and high half), of `odd` words 1 and 3.
struct WordPairs {
  Vec<uint32_t> even, odd;
};

// The words in the order of the stream: word 0 to 3 of the first block, and so on.
struct WordsInOrder {
  Vec<uint32_t> first, second;
};

struct WideWords {
  Wide word[4];  // in the low halves
};

MF_HD WideWords philox_blocks(RandomStream stream, uint64_t block) {
  Wide counter{};
  for (int lane = 0; lane < kCounters; ++lane) counter[lane] = static_cast<uint64_t>(lane);
  counter += block;
  const Wide multiplier0 = broadcast<uint64_t>(philox::kMultiplier0);
  const Wide multiplier1 = broadcast<uint64_t>(philox::kMultiplier1);
  Wide word0 = counter, word1 = counter >> 32;
  Wide word2 = broadcast<uint64_t>(stream.step), word3 = broadcast<uint64_t>(stream.purpose);
  uint32_t key0 = static_cast<uint32_t>(stream.seed);
  uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < philox::kRounds; ++round) {
    const Wide product0 = multiply_low_halves(word0, multiplier0);
    const Wide product1 = multiply_low_halves(word2, multiplier1);
    word0 = (product1 >> 32) ^ word1 ^ static_cast<uint64_t>(key0);
    word2 = (product0 >> 32) ^ word3 ^ static_cast<uint64_t>(key1);
    word1 = product1;
    word3 = product0;
    key0 += philox::kKeyStep0;
    key1 += philox::kKeyStep1;
  }
  return {{word0, word1, word2, word3}};
}

// The low halves of two vectors, lane by lane: low | high << 32.
MF_HD Vec<uint32_t> pack(Wide low, Wide high) {
  return reinterpret_cast<Vec<uint32_t>>((low & 0xFFFFFFFFull) | (high << 32));
}

MF_HD WordPairs word_pairs(RandomStream stream, uint64_t block) {
  const WideWords words = philox_blocks(stream, block);
  return {pack(words.word[0], words.word[2]), pack(words.word[1], words.word[3])};
}

MF_HD WordsInOrder words_in_order(RandomStream stream, uint64_t block) {
  const WideWords words = philox_blocks(stream, block);
  const Wide front = reinterpret_cast<Wide>(pack(words.word[0], words.word[1]));
  const Wide back = reinterpret_cast<Wide>(pack(words.word[2], words.word[3]));
  return {reinterpret_cast<Vec<uint32_t>>(interleave_low(front, back)),
          reinterpret_cast<Vec<uint32_t>>(interleave_high(front, back))};
}

// Calls fill(block, target) for every kWords numbers; the last, incomplete ones by a detour.
template <class T, class Fill>
MF_HD void fill_blocks(int64_t first, int64_t count, T* out, const Fill& fill) {
  uint64_t block = static_cast<uint64_t>(first) / 4;
  int64_t done = 0;
  for (; done + kWords <= count; done += kWords, block += kCounters) fill(block, out + done);
  if (done < count) {
    T rest[kWords];
    fill(block, rest);
    __builtin_memcpy(out + done, rest, static_cast<size_t>(count - done) * sizeof(T));
  }
}

inline void bits(RandomStream stream, int64_t first, int64_t count, uint32_t* out) {
  fill_blocks(first, count, out, [&](uint64_t block, uint32_t* target) {
    const WordsInOrder words = words_in_order(stream, block);
    store(target, words.first);
    store(target + kLanes<uint32_t>, words.second);
  });
}

MF_HD Vec<float> to_unit(Vec<uint32_t> word) {
  // 24 bits fit a signed integer, whose conversion every instruction set has.
  return __builtin_convertvector(reinterpret_cast<Vec<int32_t>>(word >> 8), Vec<float>) * 0x1p-24f;
}

inline void uniform_float(RandomStream stream, int64_t first, int64_t count, float* out) {
  fill_blocks(first, count, out, [&](uint64_t block, float* target) {
    const WordsInOrder words = words_in_order(stream, block);
    store(target, to_unit(words.first));
    store(target + kLanes<float>, to_unit(words.second));
  });
}

inline void normal_float(RandomStream stream, int64_t first, int64_t count, float std, float* out) {
  fill_blocks(first, count, out, [&](uint64_t block, float* target) {
    const WordPairs words = word_pairs(stream, block);
    const NormalPair normals = box_muller(words.even, words.odd);
    const Vec<float> cosine = std * normals.cosine, sine = std * normals.sine;
    store(target, interleave_low(cosine, sine));
    store(target + kLanes<float>, interleave_high(cosine, sine));
  });
}

inline void uniform_double(RandomStream stream, int64_t first, int64_t count, double* out) {
  for (int64_t i = 0; i < count; i += 4) {
    const philox::Words words =
        philox::words_of_block(stream, static_cast<uint64_t>(first + i) / 4);
    for (int64_t j = 0; j < 4 && i + j < count; ++j)
      out[i + j] = uniform_from<double>(words.word[j]);
  }
}

// float64 serves the checks of gradients, not training: the C library is fast enough.
inline void normal_double(RandomStream stream, int64_t first, int64_t count, double std,
                          double* out) {
  for (int64_t i = 0; i < count; i += 4) {
    const philox::Words words =
        philox::words_of_block(stream, static_cast<uint64_t>(first + i) / 4);
    for (int64_t j = 0; j < 4 && i + j < count; j += 2) {
      const double radius =
          std * __builtin_sqrt(-2.0 * __builtin_log(radius_uniform(words.word[j])));
      const double angle = angle_from(words.word[j + 1]);
      out[i + j] = radius * __builtin_cos(angle);
      if (i + j + 1 < count) out[i + j + 1] = radius * __builtin_sin(angle);
    }
  }
}

inline RandomKernels random_kernels() {
  return {bits, uniform_float, uniform_double, normal_float, normal_double};
}

}  // namespace midiff::MF_ISA
