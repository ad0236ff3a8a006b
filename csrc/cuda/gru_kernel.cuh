// The gated recurrent unit on the device: a block steps a few sequences of one member from the
// first step to the last, with the weights on chip and one barrier a step.
//
// Resident kernels (float32, up to 128 units). A unit's three rows belong to four neighbouring
// lanes. At H = 100 a step is 30,000 products, 234 cycles of the multiprocessor's 128 lanes; what
// is left of the step is latency, and a block with four sequences hides much of it behind the
// others' products. Backward goes in chunks of time: gates from the saved states, all steps at
// once; the sequential part, with W_hhᵀ resident; the weights' gradients as one product
// (weight_sums.cuh).
//
// Plain kernels: any size, float64 for checks; a warp per row, weights through the caches.
#pragma once

#include <cstdint>

#include "csrc/cuda/activations.cuh"
#include "csrc/cuda/device.cuh"
#include "csrc/cuda/gru_tasks.h"
#include "csrc/cuda/resident_product.cuh"
#include "csrc/cuda/source_rows.cuh"

namespace midiff::cuda {

inline constexpr int kGruInputs = 2;  // input weights of a lane, beside the recurrent ones

// The gates of a step for the units of a block. The vector: states [H], inputs [I], 1.
template <class Shape>
struct GruStep {
  static_assert(Shape::kUnits == 3 && Shape::kSplit == 4);
  ResidentProduct<Shape> product;
  float input_weight[kGruInputs];  // of the candidate: this lane's share of W_in and b_in
  int units, inputs, unit;
  bool live;

  __device__ __forceinline__ void load(float* shared, int vectors, int thread,
                                       const GruShape& shape, const GruWeights<float>& weights,
                                       int64_t member) {
    units = static_cast<int>(shape.units);
    inputs = static_cast<int>(shape.inputs);
    const float* hh = weights.hh + member * 3 * units * units;
    const float* ih = weights.ih + member * 3 * units * inputs;
    const float* bias_ih = weights.bias_ih + member * 3 * units;
    const float* bias_hh = weights.bias_hh + member * 3 * units;
    product.load(shared, vectors, thread, [&](int gate, int group) {
      const int row = gate * units + group;
      const float* hh_row = hh + row * units;
      const float* ih_row = ih + row * inputs - units;
      return [=](int column) {
        const bool of_inputs = column >= units && column < units + inputs;
        if (group >= units || column > units + inputs || (of_inputs && gate == 2)) return 0.0f;
        if (column < units) return hh_row[column];
        if (of_inputs) return ih_row[column];
        return gate < 2 ? bias_ih[row] + bias_hh[row] : bias_hh[row];
      };
    });
    unit = product.group;
    live = unit < units;
#pragma unroll
    for (int i = 0; i < kGruInputs; ++i) {
      const int source = product.part + i * Shape::kSplit, row = 2 * units + unit;
      input_weight[i] = !live || source > inputs ? 0.0f
                        : source == inputs       ? bias_ih[row]
                                                 : ih[row * inputs + source];
    }
  }

  // The gates of this lane's unit, the same in its four lanes, and W_hn h + b_hn.
  __device__ __forceinline__ GruRecord<float> gates(const float* vector) const {
    float sums[3];
    product.times(vector, sums);
    float input_part = 0.0f;
#pragma unroll
    for (int i = 0; i < kGruInputs; ++i) {
      const int source = product.part + i * Shape::kSplit;
      if (source <= inputs) input_part += input_weight[i] * vector[Shape::place(units + source)];
    }
    input_part = group_sum<Shape::kSplit>(input_part);
    // Two lanes share the gates' exponentials: special functions run at an eighth of the rate.
    const float gate = sigmoid_of(product.part % 2 == 0 ? sums[0] : sums[1]);
    const float reset = __shfl_sync(kWholeWarp, gate, 0, Shape::kSplit);
    const float update = __shfl_sync(kWholeWarp, gate, 1, Shape::kSplit);
    return {reset, update, tanh_of(input_part + reset * sums[2]), sums[2]};
  }
};

template <class T>
MF_HD GruGates<T> gates_of(const GruRecord<T>& record) {
  return {record.reset, record.update, record.candidate};
}

// Vectors of a sequence in shared memory, a ring over the steps: inputs arrive in them by
// themselves, asked for kGruAhead - 2 steps before their own. A step takes 200 ns, a load up to
// 600.
inline constexpr int kGruAhead = 8;

// A thread brings input (thread % I) of sequence (thread / I): S · I threads are needed.
// Grid: (blocks of kSequences sequences of a member, E).
template <class Shape, int kSequences>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    gru_forward_resident(GruForwardTask<float> task) {
  constexpr int kVector = Shape::kVector, kRing = kGruAhead;
  const int64_t batch = task.shape.batch, steps = task.shape.steps, member = blockIdx.y;
  const int64_t first_sequence = static_cast<int64_t>(blockIdx.x) * kSequences;
  const int64_t rest = batch - first_sequence;
  const int sequences = rest < kSequences ? static_cast<int>(rest) : kSequences;
  const int thread = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();  // [kRing, kSequences, kVector], and weights
  GruStep<Shape> step_of;
  step_of.load(shared, kRing * kSequences, thread, task.shape, task.weights, member);
  const int units = step_of.units, inputs = step_of.inputs, unit = step_of.unit;
  const int64_t from = member * batch + first_sequence;  // in [E, B]
  const bool writes = step_of.live && step_of.product.part == 0;

  __syncthreads();  // the vectors are cleared
  for (int i = thread; i < kRing * kSequences; i += Shape::kThreads)
    shared[i * kVector + Shape::place(units + inputs)] = 1.0f;
  if (writes)
    for (int s = 0; s < sequences; ++s)
      shared[s * kVector + Shape::place(unit)] = task.h0[(from + s) * units + unit];

  const int input_sequence = thread / inputs, input_line = thread % inputs;
  const bool has_input = input_sequence < sequences;
  const float* input = task.input + (from + input_sequence) * steps * inputs + input_line;
  float* input_place = shared + input_sequence * kVector + Shape::place(units + input_line);
  const auto fetch = [&](int64_t step) {
    if (has_input && step < steps)
      copy_async<4>(input_place + step % kRing * kSequences * kVector, input + step * inputs);
    commit_copies();
  };
  for (int64_t step = 0; step < kRing - 2; ++step) fetch(step);

#pragma unroll 1
  for (int64_t step = 0; step < steps; ++step) {
    const float* now = shared + step % kRing * kSequences * kVector;
    float* next = shared + (step + 1) % kRing * kSequences * kVector;
    wait_copies<kRing - 3>();
    __syncthreads();
    fetch(step + kRing - 2);  // into the vector of two steps ago, which no thread reads any more
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      if (s >= sequences) break;
      const GruRecord<float> gates = step_of.gates(now + s * kVector);
      if (!writes) continue;
      const float state = gru_forward(gates_of(gates), now[s * kVector + Shape::place(unit)]);
      next[s * kVector + Shape::place(unit)] = state;
      if (task.states) task.states[((from + s) * steps + step) * units + unit] = state;
    }
  }
  wait_copies<0>();
  if (!writes || !task.last) return;
  const float* last = shared + steps % kRing * kSequences * kVector;
  for (int s = 0; s < sequences; ++s)
    task.last[(from + s) * units + unit] = last[s * kVector + Shape::place(unit)];
}

inline constexpr int kGateRows = 4;  // rows between two barriers
inline constexpr int kGateRing = 3;  // of such: one read, one on its way, one perhaps still in use
inline constexpr int kGateBlockRows = 128;  // rows of a block

// Where the state before a step of a sequence (in [E, B]) lies.
template <class T>
__device__ __forceinline__ const T* state_before(const GruChunkTask<T>& task, int64_t sequence,
                                                 int64_t step, int64_t unit) {
  const int64_t units = task.shape.units;
  return step == 0 ? task.h0 + sequence * units + unit
                   : task.states + (sequence * task.shape.steps + step - 1) * units + unit;
}

// All gates of a chunk. Grid: (blocks of kGateBlockRows rows of [B, count], E).
template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1) gru_gates_resident(GruChunkTask<float> task) {
  constexpr int kVector = Shape::kVector;
  const int64_t batch = task.shape.batch, member = blockIdx.y, rows = batch * task.count;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kGateBlockRows;
  const int64_t last_row = first_row + kGateBlockRows < rows ? first_row + kGateBlockRows : rows;
  const int thread = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();  // [kGateRing, kGateRows, kVector], and weights
  GruStep<Shape> step_of;
  step_of.load(shared, kGateRing * kGateRows, thread, task.shape, task.weights, member);
  const int units = step_of.units, inputs = step_of.inputs, unit = step_of.unit;
  const int sources = units + inputs;
  const bool writes = step_of.live && step_of.product.part == 0;

  // Rows from `row` on, into a place of the ring.
  const auto fetch = [&](int64_t row, int place) {
    for (int i = thread; i < kGateRows * sources; i += Shape::kThreads) {
      const int64_t own = row + i / sources;
      const int source = i % sources;
      if (own >= last_row) break;
      const int64_t sequence = member * batch + own / task.count;
      const int64_t step = task.first + own % task.count;
      float* target = shared + (place * kGateRows + i / sources) * kVector + Shape::place(source);
      copy_async<4>(target, source < units
                                ? state_before(task, sequence, step, source)
                                : task.input + (sequence * task.shape.steps + step) * inputs +
                                      source - units);
    }
    commit_copies();
  };
  __syncthreads();  // the vectors are cleared
  for (int i = thread; i < kGateRing * kGateRows; i += Shape::kThreads)
    shared[i * kVector + Shape::place(sources)] = 1.0f;
  fetch(first_row, 0);

  int place = 0;
#pragma unroll 1
  for (int64_t row = first_row; row < last_row; row += kGateRows) {
    const int next = (place + 1) % kGateRing;
    fetch(row + kGateRows, next);
    wait_copies<1>();
    __syncthreads();  // and nobody reads `next` any more, of three places
#pragma unroll 1
    for (int r = 0; r < kGateRows && row + r < last_row; ++r) {
      const GruRecord<float> gates = step_of.gates(shared + (place * kGateRows + r) * kVector);
      if (writes) task.records[(member * rows + row + r) * units + unit] = gates;
    }
    place = next;
  }
  wait_copies<0>();
}

// The derivatives by the sums inside the gates, from that by the state after the step.
template <class T>
MF_HD GruRecord<T> gru_deltas(const GruRecord<T>& gates, T state, T grad) {
  const GruSlopes<T> slopes = gru_slopes(gates_of(gates), gates.state_part, state);
  return {grad * slopes.reset, grad * slopes.update, grad * slopes.state_part,
          grad * slopes.input_part};
}

// What a unit needs of a step on its way back, brought ahead of time by the lane that needs it.
template <int kGroups, int kSequences, int kRing>
struct GruPast {
  GruRecord<float> gates[kRing][kSequences][kGroups];
  float state[kRing][kSequences][kGroups];  // before the step
  float grad[kRing][kSequences][kGroups];   // what the loss says about the state after it
};

// Steps between asking for a unit's past and needing it.
inline constexpr int kGruPast = 4;

template <class Shape, int kSequences>
MF_HD int64_t gru_backward_shared_bytes() {
  return Shape::shared_bytes(2 * kSequences) +
         static_cast<int64_t>(sizeof(GruPast<Shape::kGroups, kSequences, kGruPast>));
}

// The sequential part of a chunk. The vector: derivatives of reset [H], update [H], state part [H].
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
  float* shared = shared_memory<float>();  // [2, kSequences, kVector], weights, the units' past
  auto& past = *reinterpret_cast<GruPast<Shape::kGroups, kSequences, kRing>*>(
      shared + Shape::shared_bytes(2 * kSequences) / 4);
  ResidentProduct<Shape> product;
  const float* weight_hh = task.weights.hh + member * 3 * units * units;
  product.load(shared, 2 * kSequences, thread, [&](int, int group) {
    const float* column_of = weight_hh + group;
    return
        [=](int row) { return group < units && row < 3 * units ? column_of[row * units] : 0.0f; };
  });
  const int unit = product.group;
  const int64_t from = member * batch + first_sequence;  // in [E, B]
  const bool writes = unit < units && product.part == 0;

  const auto fetch = [&](int64_t step) {
    if (writes && step >= 0) {
      const int slot = static_cast<int>(step % kRing);
      const int64_t at = task.first + step;
#pragma unroll 1
      for (int s = 0; s < sequences; ++s) {
        copy_async<16>(&past.gates[slot][s][unit],
                       task.records + ((from + s) * count + step) * units + unit);
        copy_async<4>(&past.state[slot][s][unit], state_before(task, from + s, at, unit));
        copy_async<4>(&past.grad[slot][s][unit],
                      task.grad_states + ((from + s) * task.shape.steps + at) * units + unit);
      }
    }
    commit_copies();
  };
  float carry[kSequences];
#pragma unroll
  for (int s = 0; s < kSequences; ++s)
    carry[s] =
        writes && s < sequences && !task.begins ? task.carry[(from + s) * units + unit] : 0.0f;
  for (int ahead = 0; ahead < kRing - 1; ++ahead) fetch(count - 1 - ahead);
  __syncthreads();  // the vectors are cleared

#pragma unroll 1
  for (int64_t step = count - 1; step >= 0; --step) {
    const int slot = static_cast<int>(step % kRing);
    float* vectors = shared + step % 2 * kSequences * kVector;
    fetch(step - (kRing - 1));  // where the step before this one lay; only this lane read that
    wait_copies<kRing - 1>();
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      if (!writes || s >= sequences) continue;
      const GruRecord<float> gates = past.gates[slot][s][unit];
      const float grad = carry[s] + past.grad[slot][s][unit];
      const GruRecord<float> deltas = gru_deltas(gates, past.state[slot][s][unit], grad);
      float* vector = vectors + s * kVector;
      vector[Shape::place(unit)] = deltas.reset;
      vector[Shape::place(units + unit)] = deltas.update;
      vector[Shape::place(2 * units + unit)] = deltas.candidate;
      task.records[((from + s) * count + step) * units + unit] = deltas;
      carry[s] = gru_backward(grad, gates.update, 0.0f);
    }
    __syncthreads();
#pragma unroll
    for (int s = 0; s < kSequences; ++s) {
      if (s >= sequences) break;
      float feedback[1];
      product.times(vectors + s * kVector, feedback);
      carry[s] += feedback[0];
    }
  }
#pragma unroll
  for (int s = 0; s < kSequences; ++s)
    if (writes && s < sequences) task.carry[(from + s) * units + unit] = carry[s];
}

// Σ over the lanes of a warp of row[i] vector[i], the same in every lane.
template <class T>
__device__ __forceinline__ T warp_dot(const T* row, const T* vector, int64_t size, int lane) {
  T sum = 0;
  for (int64_t i = lane; i < size; i += kWarp) sum += row[i] * vector[i];
  return group_sum<kWarp>(sum);
}

// The gates of one unit by one warp: the same in every lane. state: [H], input: [I].
template <class T>
__device__ __forceinline__ GruRecord<T> plain_gates(const GruShape& shape,
                                                    const GruWeights<T>& weights, int64_t member,
                                                    int64_t unit, const T* state, const T* input,
                                                    int lane) {
  const int64_t units = shape.units, inputs = shape.inputs;
  T state_sum[3], input_sum[3];
#pragma unroll
  for (int gate = 0; gate < 3; ++gate) {
    const int64_t row = (member * 3 + gate) * units + unit;
    state_sum[gate] = warp_dot(weights.hh + row * units, state, units, lane) + weights.bias_hh[row];
    input_sum[gate] =
        warp_dot(weights.ih + row * inputs, input, inputs, lane) + weights.bias_ih[row];
  }
  const T reset = sigmoid_of(input_sum[0] + state_sum[0]);
  return {reset, sigmoid_of(input_sum[1] + state_sum[1]),
          tanh_of(input_sum[2] + reset * state_sum[2]), state_sum[2]};
}

template <class T>
MF_HD int64_t gru_plain_shared_bytes(int64_t units) {
  return 4 * units * static_cast<int64_t>(sizeof(T));
}

// Grid: (E·B).
template <class T>
__global__ void gru_forward_plain(GruForwardTask<T> task) {
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const int64_t steps = task.shape.steps, units = task.shape.units;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  T* states = shared_memory<T>();  // [2, units], in turns
  for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    states[unit] = task.h0[sequence * units + unit];
  __syncthreads();
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t row = sequence * steps + step;
    const T* now = states + step % 2 * units;
    T* next = states + (step + 1) % 2 * units;
    for (int64_t unit = warp; unit < units; unit += warps) {
      const GruRecord<T> gates = plain_gates(task.shape, task.weights, member, unit, now,
                                             task.input + row * task.shape.inputs, lane);
      if (lane != 0) continue;
      next[unit] = gru_forward(gates_of(gates), now[unit]);
      if (task.states) task.states[row * units + unit] = next[unit];
    }
    __syncthreads();
  }
  for (int64_t unit = threadIdx.x; task.last && unit < units; unit += blockDim.x)
    task.last[sequence * units + unit] = states[steps % 2 * units + unit];
}

// Grid: (rows of [E, B, count]).
template <class T>
__global__ void gru_gates_plain(GruChunkTask<T> task) {
  const int64_t row = blockIdx.x, sequence = row / task.count;
  const int64_t step = task.first + row % task.count, units = task.shape.units;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const T* state = state_before(task, sequence, step, 0);
  const T* input = task.input + (sequence * task.shape.steps + step) * task.shape.inputs;
  for (int64_t unit = threadIdx.x / kWarp; unit < units; unit += blockDim.x / kWarp) {
    const GruRecord<T> gates = plain_gates(task.shape, task.weights, sequence / task.shape.batch,
                                           unit, state, input, lane);
    if (lane == 0) task.records[row * units + unit] = gates;
  }
}

// Grid: (E·B).
template <class T>
__global__ void gru_backward_plain(GruChunkTask<T> task) {
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const int64_t count = task.count, units = task.shape.units;
  T* deltas = shared_memory<T>();  // [3, units]
  T* carry = deltas + 3 * units;   // [units]
  const T* weight_hh = task.weights.hh + member * 3 * units * units;
  for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    carry[unit] = task.begins ? T(0) : task.carry[sequence * units + unit];
  for (int64_t step = count - 1; step >= 0; --step) {
    const int64_t at = task.first + step;
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
      GruRecord<T>& record = task.records[(sequence * count + step) * units + unit];
      const GruRecord<T> gates = record;
      const T grad =
          carry[unit] + task.grad_states[(sequence * task.shape.steps + at) * units + unit];
      record = gru_deltas(gates, *state_before(task, sequence, at, unit), grad);
      deltas[unit] = record.reset;
      deltas[units + unit] = record.update;
      deltas[2 * units + unit] = record.candidate;
      carry[unit] = gru_backward(grad, gates.update, T(0));
    }
    __syncthreads();
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
      T feedback = 0;
      for (int64_t row = 0; row < 3 * units; ++row)
        feedback += weight_hh[row * units + unit] * deltas[row];
      carry[unit] += feedback;
    }
    __syncthreads();
  }
  for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    task.carry[sequence * units + unit] = carry[unit];
}

// A thread per number of a chunk's grad_input: [E, B, count, I].
template <class T>
__global__ void __launch_bounds__(256) gru_input_gradient(GruChunkTask<T> task) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  const int64_t row = i / inputs, column = i % inputs;
  if (row >= members * batch * task.count) return;
  const int64_t sequence = row / task.count, step = task.first + row % task.count;
  const T* weight = task.weights.ih + sequence / batch * 3 * units * inputs + column;
  T sum = 0;
  for (int64_t unit = 0; unit < units; ++unit) {
    const GruRecord<T> deltas = task.records[row * units + unit];
    sum += deltas.reset * weight[unit * inputs] + deltas.update * weight[(units + unit) * inputs] +
           deltas.state_part * weight[(2 * units + unit) * inputs];
  }
  task.grad_input[(sequence * steps + step) * inputs + column] = sum;
}

// States before the steps of a chunk, inputs, 1; rows are [B, count].
template <class T>
MF_HD SourceRows<T, false> gru_source_rows(const GruChunkTask<T>& task) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  return {task.states, task.h0, task.input, batch, steps, task.first, task.count, units, inputs};
}

// Puts the sums of all chunks where the gradients want them. A thread per number of [3H, sources];
// grid: (blocks, E).
template <class T>
__global__ void __launch_bounds__(256) gru_collect(GruCollectTask<T> task) {
  const int64_t inputs = task.shape.inputs, units = task.shape.units;
  const int64_t sources = task.shape.sources(), member = blockIdx.y;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  const int64_t row = i / sources, source = i % sources;
  if (row >= 3 * units) return;
  const int64_t gate = row / units, unit = row % units;
  const T* sums = task.sums + (member * units + unit) * 4 * sources + source;
  const T of_state = sums[gate * sources], of_input = sums[(gate == 2 ? 3 : gate) * sources];
  const int64_t target = member * 3 * units + row;
  if (source < units) {
    task.hh[target * units + source] = of_state;
  } else if (source < units + inputs) {
    task.ih[target * inputs + source - units] = of_input;
  } else {
    task.bias_hh[target] = of_state;
    task.bias_ih[target] = of_input;
  }
}

}  // namespace midiff::cuda
