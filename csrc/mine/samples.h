// The samples of the Donsker-Varadhan op as its kernels read them; free of torch.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"
#include "csrc/common/random.h"

namespace midiff {

// [E, S, ·] with any strides but a dense last axis: often a half of the units of a network.
template <class T>
struct SampleRows {
  const T* data;
  int64_t member, sample;  // strides

  MF_HD SampleRows of_member(int64_t e) const { return {data + e * member, member, sample}; }
  MF_HD const T* at(int64_t s) const { return data + s * sample; }
};

// Keyed normals added to the samples: to variable q of sample s, of a group of n, number s n + q of
// the group's stream.
struct SampleNoise {
  const int64_t* seeds;  // [E]; null for no noise
  uint32_t purpose_a, purpose_b, step;
  double std;

  MF_HD explicit operator bool() const { return seeds != nullptr; }
  MF_HD RandomStream of_a() const { return {static_cast<uint64_t>(*seeds), purpose_a, step}; }
  MF_HD RandomStream of_b() const { return {static_cast<uint64_t>(*seeds), purpose_b, step}; }
  MF_HD SampleNoise of_member(int64_t e) const {
    SampleNoise noise = *this;
    if (seeds != nullptr) noise.seeds += e;
    return noise;
  }
};

}  // namespace midiff
