// The GRU's gradients of inputs and weights, from the derivatives by the sums inside the gates.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"
#include "csrc/cuda/gru_tasks.h"

namespace midiff::cuda {

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
