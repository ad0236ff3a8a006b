// The GRU forward: every core takes its sequences through all steps, without a barrier.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cells/gru.h"
#include "csrc/cpu/gru_gates.h"
#include "csrc/cpu/vec_partial.h"

namespace midiff::MF_ISA {

// Sequences that go through a step together: enough to pay for the weights, which come from the
// second-level cache, and few enough for their states to stay in the first.
inline constexpr int64_t kGruTeam = 32;

template <class T>
int64_t gru_forward_scratch_size(const GruShape& shape) {
  return 2 * kGruTeam * padded<T>(shape.units);  // states before and after a step
}

// Sequences `first` … of one member through all steps.
template <class T>
void gru_forward_team(const GruForward<T>& task, int64_t member, int64_t first, int64_t count,
                      T* scratch) {
  const GruShape& shape = task.shape;
  const int64_t units = shape.units, row = padded<T>(units);
  const int64_t sequence = member * shape.batch + first;
  // Copies, since rows of `states` lie T * H apart: where that is a multiple of 4 KB they would
  // all compete for the same few cache lines.
  T* before = scratch;
  T* after = scratch + kGruTeam * row;
  for (int64_t s = 0; s < count; ++s)
    std::memcpy(before + s * row, task.h0 + (sequence + s) * units, sizeof(T) * units);
  const T* gates = task.gates + member * gru_gates_size<T>(shape);
  for (int64_t t = 0; t < shape.steps; ++t) {
    const T* input = task.input.at(member, first) + t * task.input.step;
    T* states = task.states ? task.states + (sequence * shape.steps + t) * units : nullptr;
    for (int64_t unit = 0; unit < units; unit += kLanes<T>) {
      for_each_part(count, kGruRows, [&](int64_t s, int64_t rows) {
        const GruRows<T> left = {before + s * row, row, input + s * task.input.sequence,
                                 task.input.sequence};
        with_count<kGruRows>(rows, [&](auto row_count) {
          gru_panel<row_count>(
              shape, unit, gates, left, [&](int r, const GruGates<Vec<T>>& gates_of_row, Vec<T>) {
                const int64_t at = (s + r) * row + unit;
                const Vec<T> next = gru_forward(gates_of_row, load(before + at));
                store(after + at, next);
                if (states)
                  store_first(states + (s + r) * shape.steps * units + unit, next, units - unit);
              });
        });
      });
    }
    T* const swap = before;
    before = after;
    after = swap;
  }
  if (task.last)
    for (int64_t s = 0; s < count; ++s)
      std::memcpy(task.last + (sequence + s) * units, before + s * row, sizeof(T) * units);
}

template <class T>
void gru_forward_range(const GruForward<T>& task, int64_t first, int64_t last, T* scratch) {
  const int64_t batch = task.shape.batch;
  while (first < last) {
    const int64_t member = first / batch;
    const int64_t end = last < (member + 1) * batch ? last : (member + 1) * batch;
    for_each_part(end - first, kGruTeam, [&](int64_t part, int64_t count) {
      gru_forward_team(task, member, first + part - member * batch, count, scratch);
    });
    first = end;
  }
}

}  // namespace midiff::MF_ISA
