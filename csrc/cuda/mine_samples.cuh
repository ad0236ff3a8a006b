// Reading the samples of the Donsker-Varadhan op on the device, with their noise.
//
// The numbers of a row go by fours, as Philox makes them: group g of row s are those of the four of
// the stream that are in the row. Rows whose size is no multiple of 4 begin inside a four.
#pragma once

#include <cstdint>

#include "csrc/cuda/random_kernel.cuh"
#include "csrc/mine/samples.h"

namespace midiff::cuda {

// Fours that a row of `size` numbers may touch.
MF_HD constexpr int64_t sample_groups(int64_t size) {
  return size % 4 == 0 ? size / 4 : (size + 6) / 4;
}

// The sample whose b is shuffled to this one; -1 where the permutation is none, which shows as NaN.
__device__ __forceinline__ int64_t shuffled_sample(const int64_t* permutation, int64_t sample,
                                                   int64_t samples) {
  const int64_t from = permutation[sample];
  return from >= 0 && from < samples ? from : -1;
}

// Calls visit(variable, number) for the numbers of group `group` of the row: row number `sample` of
// its stream, drawn where `noise` is given.
template <class T, class Visit>
__device__ __forceinline__ void visit_samples(const T* row, int64_t size, int64_t sample,
                                              const SampleNoise& noise, const RandomStream& stream,
                                              int64_t group, const Visit& visit) {
  const int64_t first = sample * size, four = first / 4 + group;
  T drawn[4] = {};
  if (noise)
    NormalNumbers<T>{static_cast<T>(noise.std)}(
        philox::words_of_block(stream, static_cast<uint64_t>(four)), drawn);
  const int64_t variable = 4 * four - first;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (variable + i >= 0 && variable + i < size) {
      const T number = row[variable + i];
      visit(variable + i, noise ? number + drawn[i] : number);
    }
}

}  // namespace midiff::cuda
