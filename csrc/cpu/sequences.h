// A tensor of sequences as the kernels see it; free of torch.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff {

// [E, B, T, ·] with any strides but a dense last axis.
template <class T>
struct Sequences {
  const T* data;
  int64_t member, sequence, step;  // strides

  MF_HD const T* at(int64_t e, int64_t b) const { return data + e * member + b * sequence; }
};

}  // namespace midiff
