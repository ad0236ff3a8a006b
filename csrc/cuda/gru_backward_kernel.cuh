// The sequential part of the GRU's backward pass.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/gru_tasks.h"
#include "csrc/cuda/resident_product.cuh"

namespace midiff::cuda {

// What a unit needs of a step on its way back, brought ahead of time by the lane that needs it.
template <int kUnits, int kSequences, int kRing>
struct GruPast {
  GruRecord<float> gates[kRing][kSequences][kUnits];
  float state[kRing][kSequences][kUnits];  // before the step
  float grad[kRing][kSequences][kUnits];   // what the loss says about the state after it
};

// Steps between asking for a unit's past and needing it. A power of two.
inline constexpr int kGruPast = 4;

template <class Shape, int kSequences>
MF_HD int64_t gru_backward_shared_bytes() {
  return Shape::shared_bytes(2 * kSequences * Shape::kVector) +
         static_cast<int64_t>(sizeof(GruPast<Shape::kMostUnits, kSequences, kGruPast>));
}

// A chunk of steps. The vector: derivatives of reset [H], update [H], state part [H]. Of the units
// whose rows a group of lanes has, lane k of the group takes the k-th.
// Grid: (blocks of kSequences sequences of a member, E).
template <class Shape, int kSequences>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    gru_backward_resident(GruChunkTask<float> task) {
  constexpr int kVector = Shape::kVector, kRing = kGruPast;
  const int64_t batch = task.shape.batch, count = task.count, member = blockIdx.y;
  const int64_t first_sequence = static_cast<int64_t>(blockIdx.x) * kSequences;
  const int64_t rest = batch - first_sequence;
  const int sequences = rest < kSequences ? static_cast<int>(rest) : kSequences;
  const int thread = static_cast<int>(threadIdx.x);
  const int units = static_cast<int>(task.shape.units);
  constexpr int kVectors = 2 * kSequences * kVector;
  float* shared = shared_memory<float>();  // [2, kSequences, kVector], weights, the units' past
  auto& past = *reinterpret_cast<GruPast<Shape::kMostUnits, kSequences, kRing>*>(
      shared + Shape::shared_bytes(kVectors) / 4);
  ResidentProduct<Shape> product;
  const float* weight_hh = task.weights.hh + member * 3 * units * units;
  const int turned = thread % Shape::kUnits;  // see scattered_sum
  product.load(shared, kVectors, thread, [&](int k) {
    const int unit = product.unit_of(k ^ turned);
    const float* column_of = weight_hh + unit;
    return [=](int row) { return unit < units && row < 3 * units ? column_of[row * units] : 0.0f; };
  });
  const int unit = product.unit_of(turned);
  const int64_t from = member * batch + first_sequence;  // in [E, B]
  const bool writes = unit < units && product.part < Shape::kUnits;
  const int own = writes ? unit : 0;

  // Of this lane's unit in the chunk's first step of the block's first sequence. Within a
  // sequence's chunk, offsets have 32 bits: see chunk_steps in gru.cpp.
  const int64_t steps = task.shape.steps, before = (from * steps + task.first) * units + own;
  GruRecord<float>* const records = task.records + from * count * units + own;
  const float* const states = task.states + before - units;
  const float* const grad_states = task.grad_states + before;
  const float* const h0 = task.h0 + from * units + own;
  const bool has_start = task.first == 0;  // of the sequences
  int fetched = (static_cast<int>(count) - 1) * units, at = fetched;
  const auto fetch = [&](unsigned slot) {
    if (writes && fetched >= 0) {
      const bool begins = has_start && fetched == 0;
#pragma unroll
      for (int s = 0; s < kSequences; ++s) {
        if (s >= sequences) break;
        copy_async<16>(&past.gates[slot][s][own], records + s * count * units + fetched);
        copy_async<4>(&past.state[slot][s][own],
                      begins ? h0 + s * units : states + s * steps * units + fetched);
        copy_async<4>(&past.grad[slot][s][own], grad_states + s * steps * units + fetched);
      }
    }
    fetched -= units;
    commit_copies();
  };

  // With one sequence, slopes are made beside the product before their step. With several, whose
  // products hide each other's latency, there are no registers for that.
  constexpr bool kEarly = kSequences == 1;
  GruSlopes<float> slopes[kSequences];
  float update[kSequences], grad_own[kSequences], carry[kSequences];
  const auto take = [&](int s, unsigned slot) {
    const GruRecord<float> gates = past.gates[slot][s][own];
    slopes[s] = slopes_of(gates, past.state[slot][s][own]);
    update[s] = gates.update;
    grad_own[s] = past.grad[slot][s][own];
  };

  for (unsigned slot = 0; slot < kRing - 1; ++slot) fetch(slot);
  wait_copies<kRing - 2>();
  __syncthreads();  // the copies of every thread are there, the vectors are cleared
#pragma unroll
  for (int s = 0; s < kSequences; ++s) {
    carry[s] =
        writes && s < sequences && !task.begins ? task.carry[(from + s) * units + unit] : 0.0f;
    if (kEarly) take(s, 0);
  }

  unsigned slot = 0;
  int turn = 0;
#pragma unroll 1
  for (; at >= 0; at -= units) {
    float* vectors = shared + turn;
    turn = kVectors / 2 - turn;
    float grad[kSequences];
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      if (!kEarly) take(s, slot);
      grad[s] = carry[s] + grad_own[s];
      if (!writes || s >= sequences) continue;
      const GruRecord<float> deltas = gru_deltas(slopes[s], grad[s]);
      float* vector = vectors + s * kVector;
      vector[Shape::place(unit)] = deltas.reset;
      vector[Shape::place(units + unit)] = deltas.update;
      vector[Shape::place(2 * units + unit)] = deltas.candidate;
      records[s * count * units + at] = deltas;
    }
    fetch((slot + kRing - 1) % kRing);  // where the step before this one lay
    slot = (slot + 1) % kRing;
    wait_copies<kRing - 2>();
    __syncthreads();
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      const float from_gate = update[s];
      if (kEarly) take(s, slot);  // of the step to come; after the last one, of none
      float feedback[Shape::kUnits];
      product.lane_sums(vectors + s * kVector, feedback);
      carry[s] = gru_backward(grad[s], from_gate, scattered_sum<Shape::kSplit>(feedback));
    }
  }
#pragma unroll
  for (int s = 0; s < kSequences; ++s)
    if (writes && s < sequences) task.carry[(from + s) * units + unit] = carry[s];
  wait_copies<0>();
}

}  // namespace midiff::cuda
