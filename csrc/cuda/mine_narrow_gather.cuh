// Rows of all samples for narrow critics.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_narrow_product.cuh"
#include "csrc/cuda/mine_prepare.cuh"

namespace midiff::cuda {

inline constexpr int kGatheredRows =
    kGatherRows * kNarrowInputs;  // numbers of a, or of b of a half

inline int64_t narrow_gather_shared_bytes() { return (1 + kHalves) * kGatheredRows * 4; }

// By way of shared memory: single numbers, as they come, would be four times the writes. Grid: x
// over the chunk in kGatherRows.
template <Products kProducts>
__global__ void __launch_bounds__(kMineThreads) mine_narrow_gather(MineTask<float> all) {
  const MineTask<float> task = member_of(all, blockIdx.z);
  const MineLayout& l = task.layout;
  float* shared = shared_memory<float>();
  const int threads = static_cast<int>(gather_threads(l));
  const int64_t first = blockIdx.x * int64_t{kGatherRows};
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kGatherRows * threads; i += kMineThreads) {
    float* x = shared + i / threads * kNarrowInputs;
    gather<kProducts>(task, first + i / threads, i % threads, x, x + kGatheredRows,
                      x + 2 * kGatheredRows);
  }
  __syncthreads();
  float* const out[] = {task.x + first * kNarrowInputs, task.y + first * kNarrowInputs,
                        task.y + (l.chunk + first) * kNarrowInputs};
#pragma unroll
  for (int rows = 0; rows < 1 + kHalves; ++rows)
    for (int i = static_cast<int>(threadIdx.x) * 4; i < kGatheredRows; i += kMineThreads * 4)
      *reinterpret_cast<float4*>(out[rows] + i) =
          *reinterpret_cast<const float4*>(shared + rows * kGatheredRows + i);
}

}  // namespace midiff::cuda
