// The leaky tanh RNN on the device: one block steps one sequence from its first step to its last.
//
// Resident kernels (float32, up to 256 units): weights stay on chip, the state in registers, one
// barrier a step; of the memory, only the states are waited for by no one. Up to 64 units a single
// warp does it, and its barrier costs nothing to speak of. What a step reads from memory is asked
// for a few steps before.
//
// Plain kernels: any size, float64 for checks; weights come through the caches.
#pragma once

#include <cstdint>

#include "csrc/cuda/activations.cuh"
#include "csrc/cuda/device.cuh"
#include "csrc/cuda/leaky_tasks.h"
#include "csrc/cuda/resident_product.cuh"
#include "csrc/cuda/source_rows.cuh"
#include "csrc/cuda/warp_product.cuh"

namespace midiff::cuda {

// How many of the next kMost steps there are.
template <int kMost>
__device__ __forceinline__ int steps_within(int64_t left) {
  return left < kMost ? (left < 0 ? 0 : static_cast<int>(left)) : kMost;
}

// The vector of a step: rates [N], inputs [I], 1 for the bias. Grid: (E·B).
template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    leaky_forward_resident(LeakyForwardTask<float> task) {
  constexpr int U = Shape::kUnits, kAhead = Shape::kAhead;
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const int64_t steps = task.shape.steps;
  const int units = static_cast<int>(task.shape.units),
            inputs = static_cast<int>(task.shape.inputs);
  const int thread = static_cast<int>(threadIdx.x);
  const float alpha = task.alpha, leak = 1.0f - task.alpha;
  float* shared = shared_memory<float>();

  ResidentProduct<Shape> product;
  const float* weight_hh = task.weight_hh + member * units * units;
  const float* weight_ih = task.weight_ih + member * units * inputs;
  const float* bias = task.bias + member * units;
  product.load(shared, 2 * Shape::kVector, thread, [&](int k) {
    const int unit = product.unit_of(k);
    const float* hh = weight_hh + unit * units;
    const float* ih = weight_ih + unit * inputs - units;
    return [=](int column) {
      if (unit >= units || column > units + inputs) return 0.0f;
      if (column < units) return alpha * hh[column];
      return alpha * (column < units + inputs ? ih[column] : bias[unit]);
    };
  });

  const bool has_input = thread < inputs;
  int unit[U], at[U];  // at: of the step at hand in the sequence's [T, N]
  bool live[U], writes[U];
  float state[U];
#pragma unroll
  for (int k = 0; k < U; ++k) {
    at[k] = unit[k] = product.unit_of(k);
    live[k] = unit[k] < units;
    writes[k] = live[k] && product.writes(k);
    state[k] = live[k] ? task.h0[sequence * units + unit[k]] : 0.0f;
  }

  const bool noisy = task.noise, keeps = task.states;
  const float* input = task.input + sequence * steps * inputs + thread;
  const float* noise = noisy ? task.noise + sequence * steps * units : nullptr;
  float* states = keeps ? task.states + sequence * steps * units : nullptr;
  int input_at = 0;
  float next_input[kAhead] = {}, next_noise[kAhead][U] = {};
  // Of the step `ahead` of the one at hand.
  const auto fetch = [&](int slot, int ahead) {
    if (has_input) next_input[slot] = input[input_at];
    input_at += inputs;
#pragma unroll
    for (int k = 0; k < U; ++k)
      if (noisy && live[k]) next_noise[slot][k] = noise[at[k] + ahead * units];
  };
#pragma unroll
  for (int slot = 0; slot < kAhead; ++slot)
    if (slot < steps) fetch(slot, slot);

  product.barrier();  // the vectors are zero, the shared weights there
  if (thread < 2) shared[thread * Shape::kVector + Shape::place(units + inputs)] = 1.0f;

#pragma unroll 1
  for (int64_t first = 0; first < steps; first += kAhead) {
    const int here = steps_within<kAhead>(steps - first);
    const int ahead = steps_within<kAhead>(steps - first - kAhead);
#pragma unroll
    for (int slot = 0; slot < kAhead; ++slot) {
      if (slot >= here) break;
      float* vector = shared + (slot % 2) * Shape::kVector;
#pragma unroll
      for (int k = 0; k < U; ++k) {
        const float rate = tanh_of(state[k]);
        if (writes[k]) vector[Shape::place(unit[k])] = rate;
      }
      if (has_input) vector[Shape::place(units + thread)] = next_input[slot];
      product.barrier();
      float drive[U];
      product.times(vector, drive);
#pragma unroll
      for (int k = 0; k < U; ++k) {
        state[k] = leaky_forward(state[k], drive[k], next_noise[slot][k], leak);
        if (keeps && writes[k]) states[at[k]] = state[k];
      }
      if (slot < ahead) fetch(slot, kAhead);
#pragma unroll
      for (int k = 0; k < U; ++k) at[k] += units;
    }
  }

#pragma unroll
  for (int k = 0; k < U; ++k)
    if (task.last && writes[k]) task.last[sequence * units + unit[k]] = state[k];
}

// Grid: (E·B).
template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    leaky_backward_resident(LeakyBackwardTask<float> task) {
  constexpr int U = Shape::kUnits, kAhead = Shape::kAhead;
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const int64_t steps = task.shape.steps;
  const int units = static_cast<int>(task.shape.units);
  const int thread = static_cast<int>(threadIdx.x);
  const float alpha = task.alpha, leak = 1.0f - task.alpha;
  float* shared = shared_memory<float>();

  ResidentProduct<Shape> product;
  const float* weight_hh = task.weight_hh + member * units * units;
  product.load(shared, 2 * Shape::kVector, thread, [&](int k) {
    const int unit = product.unit_of(k);
    const float* hh = weight_hh + unit;
    return [=](int column) {
      return unit < units && column < units ? alpha * hh[column * units] : 0.0f;
    };
  });

  const float* states = task.states + sequence * steps * units;
  const float* grad_states = task.grad_states + sequence * steps * units;
  float* grad_noise = task.grad_noise + sequence * steps * units;
  int unit[U], at[U];  // at: of the step at hand in the sequence's [T, N]
  bool live[U], writes[U];
  float grad[U];  // of the state after the step at hand
#pragma unroll
  for (int k = 0; k < U; ++k) {
    unit[k] = product.unit_of(k);
    at[k] = static_cast<int>(steps - 1) * units + unit[k];
    live[k] = unit[k] < units;
    writes[k] = live[k] && product.writes(k);
    grad[k] = steps > 0 && live[k] ? grad_states[at[k]] : 0.0f;
  }
  // From the gradient of the state after a step to that of the state before, which is `before`, and
  // of which the loss says `loss_grad`.
  const auto step_back = [&](float* vector, const float (&before)[U], const float (&loss_grad)[U]) {
#pragma unroll
    for (int k = 0; k < U; ++k) {
      if (!writes[k]) continue;
      vector[Shape::place(unit[k])] = grad[k];
      grad_noise[at[k]] = grad[k];
    }
    product.barrier();
    float feedback[U];
    product.times(vector, feedback);
#pragma unroll
    for (int k = 0; k < U; ++k)
      grad[k] = leaky_backward(grad[k], tanh_of(before[k]), feedback[k], loss_grad[k], leak);
  };

  float next_state[kAhead][U] = {}, next_grad[kAhead][U] = {};
  // Of the state before the step `ahead` of the one at hand, which is not the sequence's first.
  const auto fetch = [&](int slot, int ahead) {
#pragma unroll
    for (int k = 0; k < U; ++k) {
      if (!live[k]) continue;
      next_state[slot][k] = states[at[k] - (ahead + 1) * units];
      next_grad[slot][k] = grad_states[at[k] - (ahead + 1) * units];
    }
  };
#pragma unroll
  for (int slot = 0; slot < kAhead; ++slot)
    if (slot < steps - 1) fetch(slot, slot);
  product.barrier();  // the vectors are zero, the shared weights there

#pragma unroll 1
  for (int64_t left = steps - 1; left > 0; left -= kAhead) {
    const int here = steps_within<kAhead>(left), ahead = steps_within<kAhead>(left - kAhead);
#pragma unroll
    for (int slot = 0; slot < kAhead; ++slot) {
      if (slot >= here) break;
      step_back(shared + (slot % 2) * Shape::kVector, next_state[slot], next_grad[slot]);
      if (slot < ahead) fetch(slot, kAhead);
#pragma unroll
      for (int k = 0; k < U; ++k) at[k] -= units;
    }
  }
  if (steps > 0) {
    const float nothing[U] = {};
    float first_state[U];
#pragma unroll
    for (int k = 0; k < U; ++k)
      first_state[k] = live[k] ? task.h0[sequence * units + unit[k]] : 0.0f;
    step_back(shared + (steps - 1) % 2 * Shape::kVector, first_state, nothing);
  }

#pragma unroll
  for (int k = 0; k < U; ++k)
    if (task.grad_h0 && writes[k]) task.grad_h0[sequence * units + unit[k]] = grad[k];
}

// Shared memory of the plain kernels: two vectors of the step and the state, [units] each.
template <class T>
MF_HD int64_t leaky_plain_shared_bytes(int64_t units) {
  return 3 * units * static_cast<int64_t>(sizeof(T));
}

// Grid: (E·B).
template <class T>
__global__ void leaky_forward_plain(LeakyForwardTask<T> task) {
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const auto [members, batch, steps, inputs, units] = task.shape;
  const T leak = 1 - task.alpha;
  T* rates = shared_memory<T>();  // [2, units], in turns
  T* state = rates + 2 * units;   // [units]
  const T* weight_hh = task.weight_hh + member * units * units;
  const T* weight_ih = task.weight_ih + member * units * inputs;
  for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    state[unit] = task.h0[sequence * units + unit];
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t row = sequence * steps + step;
    T* vector = rates + step % 2 * units;
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
      vector[unit] = tanh_of(state[unit]);
    __syncthreads();
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
      T drive = task.bias[member * units + unit];
      for (int64_t i = 0; i < inputs; ++i)
        drive += weight_ih[unit * inputs + i] * task.input[row * inputs + i];
      for (int64_t other = 0; other < units; ++other)
        drive += weight_hh[unit * units + other] * vector[other];
      const T noise = task.noise ? task.noise[row * units + unit] : T(0);
      state[unit] = leaky_forward(state[unit], task.alpha * drive, noise, leak);
      if (task.states) task.states[row * units + unit] = state[unit];
    }
  }
  for (int64_t unit = threadIdx.x; task.last && unit < units; unit += blockDim.x)
    task.last[sequence * units + unit] = state[unit];
}

// Grid: (E·B).
template <class T>
__global__ void leaky_backward_plain(LeakyBackwardTask<T> task) {
  const int64_t sequence = blockIdx.x, member = sequence / task.shape.batch;
  const int64_t steps = task.shape.steps, units = task.shape.units;
  const T leak = 1 - task.alpha;
  T* vectors = shared_memory<T>();  // [2, units], in turns
  T* grad = vectors + 2 * units;    // [units]
  const T* weight_hh = task.weight_hh + member * units * units;
  for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    grad[unit] = steps > 0 ? task.grad_states[(sequence * steps + steps - 1) * units + unit] : T(0);
  for (int64_t step = steps - 1; step >= 0; --step) {
    const int64_t row = sequence * steps + step;
    T* vector = vectors + step % 2 * units;
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
      vector[unit] = grad[unit];
      task.grad_noise[row * units + unit] = grad[unit];
    }
    __syncthreads();
    for (int64_t unit = threadIdx.x; unit < units; unit += blockDim.x) {
      T feedback = 0;
      for (int64_t other = 0; other < units; ++other)
        feedback += weight_hh[other * units + unit] * vector[other];
      const T before =
          step > 0 ? task.states[(row - 1) * units + unit] : task.h0[sequence * units + unit];
      const T grad_before = step > 0 ? task.grad_states[(row - 1) * units + unit] : T(0);
      grad[unit] =
          leaky_backward(grad[unit], tanh_of(before), task.alpha * feedback, grad_before, leak);
    }
  }
  for (int64_t unit = threadIdx.x; task.grad_h0 && unit < units; unit += blockDim.x)
    task.grad_h0[sequence * units + unit] = grad[unit];
}

// A thread per number of grad_input: [E, B, T, I].
template <class T>
__global__ void __launch_bounds__(256) leaky_input_gradient(LeakyGradientTask<T> task) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  const int64_t row = i / inputs, column = i % inputs;
  if (row >= members * batch * steps) return;
  const T* weight = task.weight_ih + row / (batch * steps) * units * inputs + column;
  const T* grad = task.grad_noise + row * units;
  T sum = 0;
  for (int64_t unit = 0; unit < units; ++unit) sum += grad[unit] * weight[unit * inputs];
  task.grad_input[i] = task.alpha * sum;
}

// Beside the gradients of the noise, the other side of the weights' gradients: rates before the
// step, inputs, 1.
template <class T>
MF_HD SourceRows<T, true> leaky_source_rows(const LeakyGradientTask<T>& task) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  return {task.states, task.h0, task.input, batch, steps, 0, steps, units, inputs};
}

}  // namespace midiff::cuda
