// The leaky RNN forward: every core takes its sequences through all steps, without a barrier.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cells/leaky.h"
#include "csrc/common/math.h"
#include "csrc/cpu/leaky_tile.h"
#include "csrc/cpu/vec_partial.h"

namespace midiff::MF_ISA {

// One block at a time: noise and states of more sequences are more streams of memory than the
// processor follows (ten of them took 3.0 ms together, 2.0 ms by fives).
inline constexpr int64_t kLeakyTeam = kLeakyBlock;

template <class T>
int64_t leaky_forward_packed_size(const LeakyShape& shape) {
  return shape.sources() * padded<T>(shape.units);
}

// packed [N + I + 1, padded N]: α W_hhᵀ, α W_ihᵀ, α b.
template <class T>
void leaky_pack_forward(const LeakyShape& shape, const LeakyWeights<T>& weights, int64_t member,
                        T* packed) {
  const int64_t units = shape.units, inputs = shape.inputs, row = padded<T>(units);
  const T* hh = weights.hh + member * units * units;
  const T* ih = weights.ih + member * units * inputs;
  const T* bias = weights.bias + member * units;
  std::memset(packed, 0, sizeof(T) * leaky_forward_packed_size<T>(shape));
  for (int64_t n = 0; n < units; ++n) {
    for (int64_t j = 0; j < units; ++j) packed[j * row + n] = weights.alpha * hh[n * units + j];
    T* from_input = packed + units * row;
    for (int64_t i = 0; i < inputs; ++i)
      from_input[i * row + n] = weights.alpha * ih[n * inputs + i];
    packed[(units + inputs) * row + n] = weights.alpha * bias[n];
  }
}

// A block of sequences at one step. Rows of sequences: `input` and `noise` by the caller's strides,
// `states` T * N apart, the others padded N apart.
template <class T>
struct LeakyForwardBlock {
  const T* weights;
  const T* input;
  const T* noise;  // or null
  T* state;
  const T* rates;
  T* next_rates;
  T* states;  // or null
};

template <class T, int kRows, int kVectors>
MF_HD void leaky_forward_panel(const LeakyForward<T>& task, const LeakyForwardBlock<T>& block,
                               int64_t first_unit) {
  const int64_t units = task.shape.units, inputs = task.shape.inputs, row = padded<T>(units);
  const T* weights = block.weights + first_unit;
  RowTile<T, kRows, kVectors> drive;
  drive.start(weights + (units + inputs) * row);
  drive.add_product(inputs, block.input, task.input.sequence, 1, weights + units * row, row);
  drive.add_product(units, block.rates, row, 1, weights, row);
  drive.for_each([&](int r, int v, Vec<T> sum) {
    const int64_t unit = first_unit + v * kLanes<T>, at = r * row + unit;
    Vec<T> noise{};
    if (block.noise) noise = load_first(block.noise + r * task.noise.sequence + unit, units - unit);
    const Vec<T> next = leaky_forward(load(block.state + at), sum, noise, task.leak);
    store(block.state + at, next);
    if (block.states)
      store_first(block.states + r * task.shape.steps * units + unit, next, units - unit);
  });
  // A loop of its own, so that the tanhs overlap: each is a chain of some 100 cycles.
  drive.for_each([&](int r, int v, Vec<T>) {
    const int64_t at = r * row + first_unit + v * kLanes<T>;
    store(block.next_rates + at, tanh(load(block.state + at)));
  });
}

template <class T>
int64_t leaky_forward_scratch_size(const LeakyShape& shape) {
  return 3 * kLeakyTeam * padded<T>(shape.units);  // states, rates before and after a step
}

// Sequences `first` … of one member through all steps.
template <class T>
void leaky_forward_team(const LeakyForward<T>& task, int64_t member, int64_t first, int64_t count,
                        T* scratch) {
  const LeakyShape& shape = task.shape;
  const int64_t units = shape.units, row = padded<T>(units), vectors = vectors_for<T>(units);
  T* state = scratch;
  T* rates[2] = {scratch + kLeakyTeam * row, scratch + 2 * kLeakyTeam * row};
  const int64_t sequence = member * shape.batch + first;
  for (int64_t s = 0; s < count; ++s) {
    const T* h0 = task.h0 + (sequence + s) * units;
    for (int64_t unit = 0; unit < units; unit += kLanes<T>) {
      const Vec<T> value = load_first(h0 + unit, units - unit);
      store(state + s * row + unit, value);
      store(rates[0] + s * row + unit, tanh(value));
    }
  }
  const T* weights = task.packed + member * leaky_forward_packed_size<T>(shape);
  const T* input = task.input.at(member, first);
  const T* noise = task.noise.data ? task.noise.at(member, first) : nullptr;
  T* states = task.states ? task.states + sequence * shape.steps * units : nullptr;
  for (int64_t t = 0; t < shape.steps; ++t) {
    for_each_part(count, kLeakyBlock, [&](int64_t s, int64_t rows) {
      const LeakyForwardBlock<T> block = {
          weights,
          input + s * task.input.sequence + t * task.input.step,
          noise ? noise + s * task.noise.sequence + t * task.noise.step : nullptr,
          state + s * row,
          rates[t % 2] + s * row,
          rates[(t + 1) % 2] + s * row,
          states ? states + (s * shape.steps + t) * units : nullptr};
      with_count<kLeakyBlock>(rows, [&](auto row_count) {
        for_each_panel<T>(vectors, [&](int64_t first_unit, auto vector_count) {
          leaky_forward_panel<T, row_count, vector_count>(task, block, first_unit);
        });
      });
    });
  }
  if (task.last)
    for (int64_t s = 0; s < count; ++s)
      std::memcpy(task.last + (sequence + s) * units, state + s * row, sizeof(T) * units);
}

template <class T>
void leaky_forward_range(const LeakyForward<T>& task, int64_t first, int64_t last, T* scratch) {
  const int64_t batch = task.shape.batch;
  while (first < last) {
    const int64_t member = first / batch;
    const int64_t end = last < (member + 1) * batch ? last : (member + 1) * batch;
    for_each_part(end - first, kLeakyTeam, [&](int64_t part, int64_t count) {
      leaky_forward_team(task, member, first + part - member * batch, count, scratch);
    });
    first = end;
  }
}

}  // namespace midiff::MF_ISA
