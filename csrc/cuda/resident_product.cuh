// The product of a recurrent step, W · s, with the matrix held by the block from the first step to
// the last: in registers as far as they go, the rest in shared memory. The vector is in shared
// memory, written by every thread's unit before the step's barrier.
//
// A row of W belongs to a group of kSplit neighbouring lanes, each with its slice of the
// columns; the group's sum is made by shuffles, in one fixed order.
#pragma once

#include <cstdint>

#include "csrc/cuda/device.cuh"

namespace midiff::cuda {

// kUnits: rows of a lane. kSplit: lanes of a row. kRegisters, kShared: columns of a lane in
// registers and in shared memory, multiples of 4. kThreads: lanes of a block.
template <int kUnits_, int kSplit_, int kRegisters_, int kShared_, int kThreads_>
struct ResidentShape {
  static constexpr int kUnits = kUnits_, kSplit = kSplit_, kRegisters = kRegisters_,
                       kShared = kShared_, kThreads = kThreads_;
  static constexpr int kColumns = kRegisters + kShared;  // of a lane
  // An odd number of 16-byte pieces: the slices of up to 8 lanes begin in different banks.
  static constexpr int kSlice = kColumns / 4 % 2 == 1 ? kColumns : kColumns + 4;
  static constexpr int kGroups = kThreads / kSplit;
  static constexpr int kMostUnits = kUnits * kGroups;
  static constexpr int kMostColumns = kSplit * kColumns;
  static constexpr int kVector = kSplit * kSlice;  // floats of one vector in shared memory
  // Steps between asking for what a step reads and using it: 8 are some 700 ns, and a load takes up
  // to 600. Large networks step slower and have fewer registers. An even number: vectors take
  // turns.
  static constexpr int kWeights = kUnits * kRegisters;
  static constexpr int kAhead = kWeights >= 160 ? 2 : kWeights > 128 ? 6 : 8;

  // Shared memory for `numbers` of the kernel and the matrix's columns that found no register.
  static MF_HD int64_t shared_bytes(int64_t numbers) {
    return 4 * (numbers + static_cast<int64_t>(kShared) * kUnits * kThreads);
  }

  // Where column c of the vector lies.
  static MF_HD int place(int column) { return column / kColumns * kSlice + column % kColumns; }
};

template <class Shape>
struct ResidentProduct {
  float weight[Shape::kUnits][Shape::kRegisters];
  const float4* rest;  // [kUnits, kShared / 4, kThreads] in shared memory
  int lane, part, group;

  // matrix(k)(column): of the k-th row of a group's lanes, 0 where there is none; it may ask for
  // `group` and unit_of(k). The first `numbers`, a multiple of 4, of `shared` are cleared. The
  // caller puts a barrier between this and what follows.
  template <class Matrix>
  __device__ __forceinline__ void load(float* shared, int numbers, int thread,
                                       const Matrix& matrix) {
    lane = thread;
    part = thread % Shape::kSplit;
    group = thread / Shape::kSplit;
    for (int i = thread; i < numbers; i += Shape::kThreads) shared[i] = 0.0f;
    float* store = shared + numbers;
    rest = reinterpret_cast<const float4*>(store);
#pragma unroll
    for (int k = 0; k < Shape::kUnits; ++k) {
      const auto row = matrix(k);
#pragma unroll
      for (int i = 0; i < Shape::kRegisters; ++i) weight[k][i] = row(part * Shape::kColumns + i);
#pragma unroll 1
      for (int i = 0; i < Shape::kShared; ++i)
        store[((k * (Shape::kShared / 4) + i / 4) * Shape::kThreads + thread) * 4 + i % 4] =
            row(part * Shape::kColumns + Shape::kRegisters + i);
    }
  }

  __device__ __forceinline__ int unit_of(int k) const { return group + k * Shape::kGroups; }

  // Whether this lane, of those with the k-th row's product, writes it.
  __device__ __forceinline__ bool writes(int) const { return part == 0; }

  // out[k] = W[k-th row of the group, :] · vector, the same in every lane of a group.
  __device__ __forceinline__ void times(const float* vector, float (&out)[Shape::kUnits]) const {
    float shares[Shape::kUnits];
    lane_sums(vector, shares);
#pragma unroll
    for (int k = 0; k < Shape::kUnits; ++k) out[k] = group_sum<Shape::kSplit>(shares[k]);
  }

  // This lane's share of them.
  __device__ __forceinline__ void lane_sums(const float* vector,
                                            float (&out)[Shape::kUnits]) const {
    // Sums side by side: an addition takes 4 cycles. With three rows two each are enough, and the
    // weights need the registers.
    constexpr int kChains = Shape::kUnits >= 3 ? 2 : 4;
    float sums[Shape::kUnits][kChains] = {};
    const float4* slice = reinterpret_cast<const float4*>(vector + part * Shape::kSlice);
#pragma unroll
    for (int i = 0; i < Shape::kRegisters / 4; ++i) {
      const float4 s = slice[i];
#pragma unroll
      for (int k = 0; k < Shape::kUnits; ++k) {
        sums[k][0] += weight[k][4 * i] * s.x;
        sums[k][1] += weight[k][4 * i + 1] * s.y;
        sums[k][2 % kChains] += weight[k][4 * i + 2] * s.z;
        sums[k][3 % kChains] += weight[k][4 * i + 3] * s.w;
      }
    }
#pragma unroll 2
    for (int i = 0; i < Shape::kShared / 4; ++i) {
      const float4 s = slice[Shape::kRegisters / 4 + i];
#pragma unroll
      for (int k = 0; k < Shape::kUnits; ++k) {
        const float4 w = rest[(k * (Shape::kShared / 4) + i) * Shape::kThreads + lane];
        sums[k][0] += w.x * s.x;
        sums[k][1] += w.y * s.y;
        sums[k][2 % kChains] += w.z * s.z;
        sums[k][3 % kChains] += w.w * s.w;
      }
    }
#pragma unroll
    for (int k = 0; k < Shape::kUnits; ++k) {
      float sum = sums[k][0] + sums[k][1];
      if constexpr (kChains == 4) sum += sums[k][2] + sums[k][3];
      out[k] = sum;
    }
  }

  // Orders the writes of a step before the reads of the next.
  static __device__ __forceinline__ void barrier() {
    if constexpr (Shape::kThreads == kWarp)
      __syncwarp();
    else
      __syncthreads();
  }
};

}  // namespace midiff::cuda
