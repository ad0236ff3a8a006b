// The GRU of any size, and in float64: a warp per row, weights through the caches.
#pragma once

#include <cstdint>

#include "csrc/cuda/activations.cuh"
#include "csrc/cuda/device.cuh"
#include "csrc/cuda/gru_tasks.h"

namespace midiff::cuda {

// Where the state before a step of a sequence (in [E, B]) lies.
template <class T>
__device__ __forceinline__ const T* state_before(const GruChunkTask<T>& task, int64_t sequence,
                                                 int64_t step, int64_t unit) {
  const int64_t units = task.shape.units;
  return step == 0 ? task.h0 + sequence * units + unit
                   : task.states + (sequence * task.shape.steps + step - 1) * units + unit;
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
      record = gru_deltas(slopes_of(gates, *state_before(task, sequence, at, unit)), grad);
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

}  // namespace midiff::cuda
