// The GRU's states, step by step.
#pragma once

#include <cstdint>

#include "csrc/cuda/gru_step.cuh"

namespace midiff::cuda {

// Vectors of a sequence in shared memory, a ring over the steps: inputs arrive in them by
// themselves, asked for kGruAhead - 2 steps before their own. A step takes 200 ns, a load up to
// 600. A power of two.
inline constexpr int kGruAhead = 8;

// A thread brings input (thread % I) of sequence (thread / I): S · I threads are needed.
// Grid: (blocks of kSequences sequences of a member, E).
template <class Shape, int kSequences>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    gru_forward_resident(GruForwardTask<float> task) {
  using Step = GruStep<Shape>;
  constexpr int kVector = Step::kVector, kRing = kGruAhead, kPlace = kSequences * kVector;
  const int64_t batch = task.shape.batch, steps = task.shape.steps, member = blockIdx.y;
  const int64_t first_sequence = static_cast<int64_t>(blockIdx.x) * kSequences;
  const int64_t rest = batch - first_sequence;
  const int sequences = rest < kSequences ? static_cast<int>(rest) : kSequences;
  const bool keeps = task.states;
  const int thread = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();  // [kRing, kSequences, kVector], and weights
  Step step_of;
  step_of.load(shared, kRing * kSequences, thread, task.shape, task.weights, member);
  const int units = step_of.units, inputs = step_of.inputs, unit = step_of.unit;
  const int64_t from = member * batch + first_sequence;  // in [E, B]
  const bool writes = step_of.writes();
  const int own = Shape::place(step_of.live ? unit : 0);

  if (writes)
    for (int s = 0; s < sequences; ++s)
      shared[s * kVector + own] = task.h0[(from + s) * units + unit];

  const bool has_input = thread < sequences * inputs;
  const int input_sequence = has_input ? thread / inputs : 0;
  const int input_line = has_input ? thread % inputs : 0;
  const float* input = task.input + (from + input_sequence) * steps * inputs + input_line;
  const float* input_end = has_input ? input + steps * inputs : nullptr;
  float* first_place = shared + input_sequence * kVector + step_of.place(input_line);
  float* second_place = shared + input_sequence * kVector + Step::second_place(input_line);
  const auto fetch = [&](unsigned slot) {
    if (input < input_end) {
      copy_async<4>(first_place + slot * kPlace, input);
      copy_async<4>(second_place + slot * kPlace, input);
      input += inputs;
    }
    commit_copies();
  };
  for (unsigned slot = 0; slot < kRing - 2; ++slot) fetch(slot);

  float* states = keeps ? task.states + from * steps * units + unit : nullptr;
  unsigned slot = 0;
#pragma unroll 1
  for (int64_t step = 0; step < steps; ++step) {
    const float* now = shared + slot * kPlace;
    // Into the vector of two steps ago, which no thread reads any more after the barrier.
    const unsigned free_slot = (slot + kRing - 2) % kRing;
    slot = (slot + 1) % kRing;
    float* next = shared + slot * kPlace;
    wait_copies<kRing - 3>();
    __syncthreads();
    fetch(free_slot);
    // Sequences that are not there are stepped too: without branches, the products of one may hide
    // the latency of another.
    float state[kSequences];
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      const float* vector = now + s * kVector;
      state[s] = gru_forward(gates_of(step_of.gates(vector)), vector[own]);
    }
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      if (!writes || s >= sequences) continue;
      next[s * kVector + own] = state[s];
      if (keeps) states[s * steps * units] = state[s];
    }
    states += units;
  }
  wait_copies<0>();
  if (!writes || !task.last) return;
  for (int s = 0; s < sequences; ++s)
    task.last[(from + s) * units + unit] = shared[slot * kPlace + s * kVector + own];
}

}  // namespace midiff::cuda
