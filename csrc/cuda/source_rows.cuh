// The right side of the weights' gradients (weight_sums.cuh), and what the gates of a GRU are made
// of again: a member's states before each step, its inputs and a constant 1.
#pragma once

#include <cstdint>

#include "csrc/cuda/activations.cuh"
#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

// Steps [first, first + count) of every sequence of every member; rows of a member: [B, count].
// Columns: states before the step [N], inputs [I], 1. kRates: tanh of the states instead.
template <class T, bool kRates>
struct SourceRows {
  const T* states;  // [E, B, T, N]
  const T* h0;      // [E, B, N]
  const T* input;   // [E, B, T, I]
  int64_t batch, steps, first, count, units, inputs;

  // A number of a row, and how to get to those under it. The one division by a number of steps is
  // at the beginning: in 64 bits it takes more than 60 instructions.
  struct Column {
    const T* at;    // the state after the step before, or the input
    const T* h0;    // of the row's sequence; null for an input
    int64_t step;   // of the row, in [0, count)
    int64_t zero;   // the step before which the state is h0; -1 where there is none
    int64_t count;  // steps of a sequence
    int64_t gap;    // from the end of a sequence's steps to the next one's
    int stride;     // from row to row
    int h0_stride;  // from a sequence's h0 to the next one's
    bool one, rate;

    __device__ __forceinline__ const T* address() const { return step == zero ? h0 : at; }

    __device__ __forceinline__ T value() const {
      if (one) return T(1);
      const T number = *address();
      if constexpr (kRates)
        return rate ? tanh_of(number) : number;
      else
        return number;
    }

    __device__ __forceinline__ void advance(int rows) {
      step += rows;
      at += static_cast<int64_t>(rows) * stride;
      while (step >= count) {
        step -= count;
        at += gap;
        h0 += h0_stride;
      }
    }
  };

  // Rows beyond the last may be asked for, not read; of no rows, nothing.
  __device__ __forceinline__ Column column(int64_t member, int64_t row, int64_t number) const {
    if (count == 0) return {};
    const int64_t sequence = member * batch + row / count, step = row % count;
    const bool of_state = number < units, one = number == units + inputs;
    const int64_t size = of_state ? units : inputs;
    const T* at = of_state ? states + (sequence * steps + first + step - 1) * units + number
                           : input + (sequence * steps + first + step) * inputs + number - units;
    return {at,
            of_state ? h0 + sequence * units + number : nullptr,
            step,
            of_state && first == 0 ? 0 : -1,
            count,
            (steps - count) * size,
            static_cast<int>(size),
            of_state ? static_cast<int>(units) : 0,
            one,
            of_state};
  }
};

}  // namespace midiff::cuda
