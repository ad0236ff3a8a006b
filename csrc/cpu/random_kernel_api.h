// What the random-number kernels of one instruction set offer; free of torch.
#pragma once

#include <cstdint>

#include "csrc/common/random.h"

namespace midiff {

// Fills out[0, count) with numbers first, first + 1, … of the stream. `first` is a multiple of 4:
// the first number of a block.
template <class T>
using FillUniform = void (*)(RandomStream stream, int64_t first, int64_t count, T* out);
template <class T>
using FillNormal = void (*)(RandomStream stream, int64_t first, int64_t count, T std, T* out);

struct RandomKernels {
  FillUniform<uint32_t> bits;  // the words themselves
  FillUniform<float> uniform_float;
  FillUniform<double> uniform_double;
  FillNormal<float> normal_float;  // mean 0, standard deviation `std`
  FillNormal<double> normal_double;
};

}  // namespace midiff
