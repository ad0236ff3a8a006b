// The product of a recurrent step (see resident_product.cuh) for 33 to 40 units in one warp: a lane
// has a whole row and a quarter of one of the rows beyond 32, 60 products a step at N = 40 where
// two whole rows would be 96.
#pragma once

#include <cstdint>

#include "csrc/cuda/resident_product.cuh"

namespace midiff::cuda {

// kColumns: of a whole row.
template <int kColumns_>
struct WarpShape {
  static constexpr int kUnits = 2, kSplit = 4, kColumns = kColumns_, kThreads = kWarp;
  static constexpr int kMostUnits = kWarp + kWarp / kSplit, kMostColumns = kColumns;
  static constexpr int kQuarter = (kColumns + 15) / 16 * 4;  // columns of a quarter, in 16 bytes
  static constexpr int kVector = kSplit * kQuarter;
  static constexpr int kAhead = 8;  // see ResidentShape

  static MF_HD int64_t shared_bytes(int64_t numbers) { return 4 * numbers; }
  static MF_HD int place(int column) { return column; }
};

template <int kColumns>
struct ResidentProduct<WarpShape<kColumns>> {
  using Shape = WarpShape<kColumns>;
  float row[kColumns], quarter[Shape::kQuarter];
  int lane, part;

  template <class Matrix>
  __device__ __forceinline__ void load(float* shared, int numbers, int thread,
                                       const Matrix& matrix) {
    lane = thread;
    part = thread % Shape::kSplit;
    for (int i = thread; i < numbers; i += kWarp) shared[i] = 0.0f;
    const auto whole = matrix(0);
#pragma unroll
    for (int i = 0; i < kColumns; ++i) row[i] = whole(i);
    const auto shared_row = matrix(1);
#pragma unroll
    for (int i = 0; i < Shape::kQuarter; ++i) quarter[i] = shared_row(part * Shape::kQuarter + i);
  }

  __device__ __forceinline__ int unit_of(int k) const {
    return k == 0 ? lane : kWarp + lane / Shape::kSplit;
  }
  __device__ __forceinline__ bool writes(int k) const { return k == 0 || part == 0; }

  __device__ __forceinline__ void times(const float* vector, float (&out)[2]) const {
    // First, so that the whole row's products hide the shuffles.
    out[1] = group_sum<Shape::kSplit>(dot(quarter, vector + part * Shape::kQuarter));
    out[0] = dot(row, vector);
  }

  static __device__ __forceinline__ void barrier() { __syncwarp(); }

 private:
  template <int kSize>
  static __device__ __forceinline__ float dot(const float (&weight)[kSize], const float* vector) {
    float sums[4] = {};
    const float4* four = reinterpret_cast<const float4*>(vector);
#pragma unroll
    for (int i = 0; i < kSize / 4; ++i) {
      const float4 s = four[i];
      sums[0] += weight[4 * i] * s.x;
      sums[1] += weight[4 * i + 1] * s.y;
      sums[2] += weight[4 * i + 2] * s.z;
      sums[3] += weight[4 * i + 3] * s.w;
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

}  // namespace midiff::cuda
