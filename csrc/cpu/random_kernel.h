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
inline constexpr int kWords = 4 * kCounters;  // random words of one group of blocks
// Groups in flight, as far as the registers go (32 with AVX-512, else 16): 0.5 ns a word with 4,
// 0.7 with 1.
inline constexpr int kGroups = MF_VECTOR_BYTES == 64 ? 4 : 2;

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

// The keys of all rounds.
struct Keys {
  Wide low[philox::kRounds], high[philox::kRounds];
};

MF_HD Keys keys_of(uint64_t seed) {
  Keys keys;
  uint32_t low = static_cast<uint32_t>(seed), high = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < philox::kRounds; ++round) {
    keys.low[round] = broadcast<uint64_t>(low);
    keys.high[round] = broadcast<uint64_t>(high);
    low += philox::kKeyStep0;
    high += philox::kKeyStep1;
  }
  return keys;
}

// Blocks of several vectors, in step: while a round waits for its products, another group's run.
template <int groups>
MF_HD void philox_blocks(RandomStream stream, const Keys& keys, uint64_t block, WideWords* words) {
  Wide counter{};
  for (int lane = 0; lane < kCounters; ++lane) counter[lane] = static_cast<uint64_t>(lane);
  const Wide multiplier0 = broadcast<uint64_t>(philox::kMultiplier0);
  const Wide multiplier1 = broadcast<uint64_t>(philox::kMultiplier1);
  Wide word0[groups], word1[groups], word2[groups], word3[groups];
#pragma GCC unroll 4
  for (int group = 0; group < groups; ++group) {
    word0[group] = counter + (block + static_cast<uint64_t>(group * kCounters));
    word1[group] = word0[group] >> 32;
    word2[group] = broadcast<uint64_t>(stream.step);
    word3[group] = broadcast<uint64_t>(stream.purpose);
  }
#pragma GCC unroll 10
  for (int round = 0; round < philox::kRounds; ++round) {
#pragma GCC unroll 4
    for (int group = 0; group < groups; ++group) {
      const Wide product0 = multiply_low_halves(word0[group], multiplier0);
      const Wide product1 = multiply_low_halves(word2[group], multiplier1);
      word0[group] = (product1 >> 32) ^ word1[group] ^ keys.low[round];
      word2[group] = (product0 >> 32) ^ word3[group] ^ keys.high[round];
      word1[group] = product1;
      word3[group] = product0;
    }
  }
#pragma GCC unroll 4
  for (int group = 0; group < groups; ++group)
    words[group] = {{word0[group], word1[group], word2[group], word3[group]}};
}

// The low halves of two vectors, lane by lane: low | high << 32.
MF_HD Vec<uint32_t> pack(Wide low, Wide high) {
  return reinterpret_cast<Vec<uint32_t>>((low & 0xFFFFFFFFull) | (high << 32));
}

MF_HD WordPairs word_pairs(const WideWords& words) {
  return {pack(words.word[0], words.word[2]), pack(words.word[1], words.word[3])};
}

MF_HD WordsInOrder words_in_order(const WideWords& words) {
  const Wide front = reinterpret_cast<Wide>(pack(words.word[0], words.word[1]));
  const Wide back = reinterpret_cast<Wide>(pack(words.word[2], words.word[3]));
  return {reinterpret_cast<Vec<uint32_t>>(interleave_low(front, back)),
          reinterpret_cast<Vec<uint32_t>>(interleave_high(front, back))};
}

// Calls convert(words, target) for every kWords numbers of the stream; the last, incomplete ones by
// a detour.
template <class T, class Convert>
MF_HD void fill_blocks(RandomStream stream, int64_t first, int64_t count, T* out,
                       const Convert& convert) {
  const Keys keys = keys_of(stream.seed);
  WideWords words[kGroups];
  uint64_t block = static_cast<uint64_t>(first) / 4;
  int64_t done = 0;
  for (; done + kGroups * kWords <= count; done += kGroups * kWords, block += kGroups * kCounters) {
    philox_blocks<kGroups>(stream, keys, block, words);
#pragma GCC unroll 4
    for (int group = 0; group < kGroups; ++group)
      convert(words[group], out + done + group * kWords);
  }
  while (done < count) {
    T rest[2 * kWords];
    if (count - done > kWords) {  // two at a time, as long as they are needed
      philox_blocks<2>(stream, keys, block, words);
      convert(words[1], rest + kWords);
    } else {
      philox_blocks<1>(stream, keys, block, words);
    }
    convert(words[0], rest);
    const int64_t length = count - done < 2 * kWords ? count - done : 2 * kWords;
    __builtin_memcpy(out + done, rest, static_cast<size_t>(length) * sizeof(T));
    done += length;
    block += 2 * kCounters;
  }
}

inline void bits(RandomStream stream, int64_t first, int64_t count, uint32_t* out) {
  fill_blocks(stream, first, count, out, [](const WideWords& words, uint32_t* target) {
    const WordsInOrder ordered = words_in_order(words);
    store(target, ordered.first);
    store(target + kLanes<uint32_t>, ordered.second);
  });
}

MF_HD Vec<float> to_unit(Vec<uint32_t> word) {
  // 24 bits fit a signed integer, whose conversion every instruction set has.
  return __builtin_convertvector(reinterpret_cast<Vec<int32_t>>(word >> 8), Vec<float>) * 0x1p-24f;
}

inline void uniform_float(RandomStream stream, int64_t first, int64_t count, float* out) {
  fill_blocks(stream, first, count, out, [](const WideWords& words, float* target) {
    const WordsInOrder ordered = words_in_order(words);
    store(target, to_unit(ordered.first));
    store(target + kLanes<float>, to_unit(ordered.second));
  });
}

inline void normal_float(RandomStream stream, int64_t first, int64_t count, float std, float* out) {
  fill_blocks(stream, first, count, out, [std](const WideWords& words, float* target) {
    const WordPairs pairs = word_pairs(words);
    const NormalPair normals = box_muller(pairs.even, pairs.odd);
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

constexpr RandomKernels random_kernels() {
  return {bits, uniform_float, uniform_double, normal_float, normal_double};
}

}  // namespace midiff::MF_ISA
