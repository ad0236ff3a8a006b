// The Donsker-Varadhan bound and its gradients for narrow critics in float32: units of no layer go
// through memory. Blocks hold weights in shared memory and take their parts of the samples through:
//
//   gather         rows of a and b with their noise
//   scores         h = act(W_a x + W_b y + b), T = w_out · act(W_h h + b_h); keeps which units of
//                  both layers are active, 32 bytes a pair
//   score, weigh   weights of all pairs, and the estimate
//   hidden_sums    Σ weight h ⊗ active, with h made again
//   inputs         derivatives by the sums inside the first layer, out of the bits alone; Σ of them
//                  ⊗ [x, y, 1], and their products with [W_a, W_b]
//
// A single pass would keep joint and product sums apart until the weights are known, 45,000 numbers
// in the registers of a multiprocessor that has 65,536, to save the 15 % of the products that make
// h again. With the weights known, one sum takes both, and what belongs to a has one product for
// both.
#pragma once

#include <algorithm>
#include <cstdint>

#include "csrc/cuda/mine_gradients.cuh"
#include "csrc/cuda/mine_narrow_gather.cuh"
#include "csrc/cuda/mine_narrow_inputs.cuh"
#include "csrc/cuda/mine_narrow_scores.cuh"
#include "csrc/cuda/mine_narrow_sums.cuh"
#include "csrc/cuda/mine_scores.cuh"

namespace midiff::cuda {

// What the largest of the kernels wants: 192 KB, which compute capability 9.0 has and 8.x has not.
inline int64_t narrow_shared_bytes() {
  return std::max(
      {narrow_scores_shared_bytes(), narrow_hidden_shared_bytes(), narrow_inputs_shared_bytes()});
}

// After the packing. `launch`: as for run_mine.
template <Products kProducts, class Launch>
void run_narrow_mine(const MineTask<float>& task, const Launch& launch) {
  const MineLayout& l = task.layout;
  const int64_t members = task.members, block_shared = mine_block_shared_bytes();
  const bool to_inputs = task.grad_a != nullptr, to_weights = task.grad_weight_h != nullptr;
  const auto over_parts = [&](auto kernel, int64_t shared) {
    launch(kernel, l.splits, 1, members, kNarrowThreads, shared, task);
  };
  launch(mine_narrow_gather<kProducts>, l.chunk / kGatherRows, 1, members, kMineThreads,
         narrow_gather_shared_bytes(), task);
  over_parts(mine_narrow_scores<kProducts>, narrow_scores_shared_bytes());
  launch(mine_score<float>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task,
         int64_t{0});
  launch(mine_weigh<float>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task,
         int64_t{0});
  launch(mine_finish<float>, 1, 1, members, kMineThreads, block_shared, task);
  if (to_weights) over_parts(mine_narrow_hidden_sums<kProducts>, narrow_hidden_shared_bytes());
  if (to_inputs || to_weights)
    over_parts(mine_narrow_inputs<kProducts>, narrow_inputs_shared_bytes());
  if (to_weights) join_sums(task, launch);
  if (to_inputs && !task.has_marginal)
    launch(mine_narrow_join_rows<float>, (l.samples * l.b_size + kMineThreads - 1) / kMineThreads,
           1, members, kMineThreads, 0, task);
}

}  // namespace midiff::cuda
