// The GRU's gates again, from the saved states: all steps of a chunk at once.
#pragma once

#include <cstdint>

#include "csrc/cuda/gru_step.cuh"
#include "csrc/cuda/source_rows.cuh"

namespace midiff::cuda {

// States before the steps of a chunk, inputs, 1; rows are [B, count].
template <class T>
MF_HD SourceRows<T, false> gru_source_rows(const GruChunkTask<T>& task) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  return {task.states, task.h0, task.input, batch, steps, task.first, task.count, units, inputs};
}

inline constexpr int kGateRows = 4;  // rows between two barriers
inline constexpr int kGateRing = 3;  // of such: one read, one on its way, one perhaps still in use
inline constexpr int kGateBlockRows = 128;  // rows of a block

// A thread brings one column of the rows. Grid: (blocks of kGateBlockRows rows of [B, count], E).
template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1) gru_gates_resident(GruChunkTask<float> task) {
  static_assert(Shape::kMostColumns <= Shape::kThreads);
  using Step = GruStep<Shape>;
  constexpr int kVector = Step::kVector;
  const int64_t member = blockIdx.y, rows = task.shape.batch * task.count;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kGateBlockRows;
  const int count = static_cast<int>(rows - first_row < kGateBlockRows ? rows - first_row
                                                                       : int64_t{kGateBlockRows});
  const int thread = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();  // [kGateRing, kGateRows, kVector], and weights
  Step step_of;
  step_of.load(shared, kGateRing * kGateRows, thread, task.shape, task.weights, member);
  const int units = step_of.units, inputs = step_of.inputs;
  const bool writes = step_of.writes();

  const bool brings = thread < units + inputs, brings_input = brings && thread >= units;
  auto column = gru_source_rows(task).column(member, first_row, brings ? thread : 0);
  float* target = shared + Shape::place(brings ? thread : 0);
  float* second_target = shared + Step::second_place(brings_input ? thread - units : 0);
  // The next kGateRows rows, from `row` of the block's on, into a place of the ring.
  const auto fetch = [&](int row, int place) {
    if (brings) {
#pragma unroll
      for (int r = 0; r < kGateRows; ++r) {
        const int at = (place * kGateRows + r) * kVector;
        if (row + r < count) {
          copy_async<4>(target + at, column.address());
          if (brings_input) copy_async<4>(second_target + at, column.address());
        }
        column.advance(1);
      }
    }
    commit_copies();
  };
  fetch(0, 0);

  GruRecord<float>* records = task.records + (member * rows + first_row) * units + step_of.unit;
  int place = 0;
#pragma unroll 1
  for (int row = 0; row < count; row += kGateRows) {
    const int next = place == kGateRing - 1 ? 0 : place + 1;
    fetch(row + kGateRows, next);
    wait_copies<1>();
    __syncthreads();  // and nobody reads `next` any more, of three places
#pragma unroll 1
    for (int r = 0; r < kGateRows && row + r < count; ++r) {
      const GruRecord<float> gates = step_of.gates(shared + (place * kGateRows + r) * kVector);
      if (writes) *records = gates;
      records += units;
    }
    place = next;
  }
  wait_copies<0>();
}

}  // namespace midiff::cuda
