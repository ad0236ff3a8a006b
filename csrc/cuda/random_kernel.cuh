// Keyed random numbers on the device: a thread makes the four numbers of one Philox block.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/common/random.h"
#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

inline constexpr int kRandomThreads = 256;

// A stream per member; `seeds` is read on the device, so nobody waits for it.
struct RandomTask {
  const int64_t* seeds;  // [E]
  uint32_t purpose, step;
  int64_t count;  // numbers of a member
};

struct NormalPair {
  float cosine, sine;
};

// sqrt(-2 ln u) (cos 2πv, sin 2πv) within 1e-6 of the float64 definition: neither u near 1 nor the
// angle is ever rounded to float32 as it stands.
__device__ __forceinline__ NormalPair box_muller(uint32_t radius_word, uint32_t angle_word) {
  // ln u of the lower half; of the upper, ln(1 - rest) with rest = 1 - u.
  const bool upper_half = radius_word >> 31;
  const uint32_t folded = upper_half ? ~radius_word : radius_word;
  const float u = (static_cast<float>(folded) + 0.5f) * 0x1p-32f;
  const float radius = std::sqrt(-2.0f * (upper_half ? std::log1p(-u) : std::log(u)));
  // The angle as a quarter turn and a rest within an eighth of one: exact, on integers.
  const uint32_t quarter = (angle_word + (1u << 29)) >> 30;
  const int32_t rest = static_cast<int32_t>(angle_word - (quarter << 30));
  float sine, cosine;
  sincospif(static_cast<float>(rest) * 0x1p-31f, &sine, &cosine);
  const float turned_cosine = (quarter & 1) ? -sine : cosine;
  const float turned_sine = (quarter & 1) ? cosine : sine;
  return {radius * ((quarter & 2) ? -turned_cosine : turned_cosine),
          radius * ((quarter & 2) ? -turned_sine : turned_sine)};
}

struct UniformNumbers {
  template <class T>
  __device__ __forceinline__ void operator()(const philox::Words& words, T (&out)[4]) const {
    for (int i = 0; i < 4; ++i) out[i] = uniform_from<T>(words.word[i]);
  }
};

// The words themselves, for a sort.
struct KeyNumbers {
  __device__ __forceinline__ void operator()(const philox::Words& words, int64_t (&out)[4]) const {
    for (int i = 0; i < 4; ++i) out[i] = words.word[i];
  }
};

template <class T>
struct NormalNumbers {
  T std;

  __device__ __forceinline__ void operator()(const philox::Words& words, float (&out)[4]) const {
    for (int i = 0; i < 4; i += 2) {
      const NormalPair pair = box_muller(words.word[i], words.word[i + 1]);
      out[i] = std * pair.cosine;
      out[i + 1] = std * pair.sine;
    }
  }

  __device__ __forceinline__ void operator()(const philox::Words& words, double (&out)[4]) const {
    for (int i = 0; i < 4; i += 2) {
      const double radius = std * std::sqrt(-2.0 * std::log(radius_uniform(words.word[i])));
      const double angle = angle_from(words.word[i + 1]);
      out[i] = radius * std::cos(angle);
      out[i + 1] = radius * std::sin(angle);
    }
  }
};

// out: [E, count]. Grid: (blocks of kRandomThreads threads over count / 4, E).
template <class T, class Numbers>
__global__ void __launch_bounds__(kRandomThreads)
    random_numbers(RandomTask task, Numbers numbers, T* out) {
  const int64_t block = static_cast<int64_t>(blockIdx.x) * kRandomThreads + threadIdx.x;
  const int64_t first = 4 * block;
  if (first >= task.count) return;
  const RandomStream stream = {static_cast<uint64_t>(task.seeds[blockIdx.y]), task.purpose,
                               task.step};
  T drawn[4];
  numbers(philox::words_of_block(stream, static_cast<uint64_t>(block)), drawn);
  T* target = out + blockIdx.y * task.count + first;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (first + i < task.count) target[i] = drawn[i];
}

}  // namespace midiff::cuda
