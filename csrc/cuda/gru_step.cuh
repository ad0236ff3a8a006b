// The gates of a step of the GRU, with the weights on chip.
#pragma once

#include <cstdint>

#include "csrc/cuda/activations.cuh"
#include "csrc/cuda/device.cuh"
#include "csrc/cuda/gru_tasks.h"
#include "csrc/cuda/resident_product.cuh"

namespace midiff::cuda {

// Places of a step's inputs and the 1 for the bias.
inline constexpr int kGruInputs = 8;

// Shape: three rows (reset, update, candidate) of a unit in a group of lanes. A vector: what the
// recurrent weights and both gates' others are multiplied with, states [H], inputs [I], 1; then,
// for the candidate's W_in and b_in, whose product is not the reset gate's, inputs [I] and 1 once
// more.
template <class Shape>
struct GruStep {
  static_assert(Shape::kUnits == 3 && (Shape::kSplit == 2 || Shape::kSplit == 4));
  static constexpr int kOwnInputs = kGruInputs / Shape::kSplit;  // of a lane
  static constexpr int kVector = Shape::kVector + kGruInputs;

  ResidentProduct<Shape> product;
  float input_weight[kOwnInputs];  // of the candidate
  int units, inputs, unit;
  bool live;

  static MF_HD int64_t shared_bytes(int64_t vectors) {
    return Shape::shared_bytes(vectors * kVector);
  }

  // Vectors at the front of `shared` are zero then, but for the constant 1. A barrier is needed
  // after it, as after any writes.
  __device__ __forceinline__ void load(float* shared, int vectors, int thread,
                                       const GruShape& shape, const GruWeights<float>& weights,
                                       int64_t member) {
    units = static_cast<int>(shape.units);
    inputs = static_cast<int>(shape.inputs);
    const float* hh = weights.hh + member * 3 * units * units;
    const float* ih = weights.ih + member * 3 * units * inputs;
    const float* bias_ih = weights.bias_ih + member * 3 * units;
    const float* bias_hh = weights.bias_hh + member * 3 * units;
    product.load(shared, vectors * kVector, thread, [&](int k) {
      const int gate = k < 2 ? k ^ (product.part % 2) : 2;  // see scattered_sum
      const int group = product.group, row = gate * units + group;
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
    for (int i = 0; i < kOwnInputs; ++i) {
      const int source = product.part * kOwnInputs + i, row = 2 * units + unit;
      input_weight[i] = !live || source > inputs ? 0.0f
                        : source == inputs       ? bias_ih[row]
                                                 : ih[row * inputs + source];
    }
    __syncthreads();
    for (int i = thread; i < vectors; i += Shape::kThreads) {
      shared[i * kVector + Shape::place(units + inputs)] = 1.0f;
      shared[i * kVector + Shape::kVector + inputs] = 1.0f;
    }
  }

  // Whether this lane has its unit's gates, and writes them.
  __device__ __forceinline__ bool writes() const { return live && product.part == 0; }

  // Both places of an input in a vector.
  __device__ __forceinline__ int place(int input) const { return Shape::place(units + input); }
  static __device__ __forceinline__ int second_place(int input) { return Shape::kVector + input; }

  // The gates of a unit and W_hn h + b_hn, in the first lane of its group; the others have but part
  // of them.
  __device__ __forceinline__ GruRecord<float> gates(const float* vector) const {
    float sums[3];
    product.lane_sums(vector, sums);
    float input_part;
    if constexpr (kOwnInputs == 4) {
      const float4 x = reinterpret_cast<const float4*>(vector + Shape::kVector)[product.part];
      input_part = (input_weight[0] * x.x + input_weight[1] * x.y) +
                   (input_weight[2] * x.z + input_weight[3] * x.w);
    } else {
      const float2 x = reinterpret_cast<const float2*>(vector + Shape::kVector)[product.part];
      input_part = input_weight[0] * x.x + input_weight[1] * x.y;
    }
    // Even lanes take the reset gate and odd ones the update gate: half the shuffles, and half the
    // exponentials, which run at an eighth of the rate.
    float both[2] = {sums[0], sums[1]};
    const float gate = sigmoid_of(scattered_sum<Shape::kSplit>(both));
    const float update = __shfl_xor_sync(kWholeWarp, gate, 1);
    input_part = group_sum<Shape::kSplit>(input_part);
    const float state_part = group_sum<Shape::kSplit>(sums[2]);
    return {gate, update, tanh_of(input_part + gate * state_part), state_part};
  }
};

}  // namespace midiff::cuda
