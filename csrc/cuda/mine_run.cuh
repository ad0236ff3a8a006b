// The Donsker-Varadhan bound and its gradients on the device: matrix products on tensor cores, with
// everything between them in their epilogues.
//
// Samples go through in chunks; of a chunk, both distributions' pairs side by side ("halves"),
// which share the product of a with W_a. Per chunk:
//
//   gather         rows of a and b with their noise, b by the permutation for the product's half
//   first_layer    h = act(W_a x + W_b y + b)
//   second_layer   T = w_out · act(W_h h + b_h), and which of its units are active
//   score, weigh   weights of the pairs: 1, and exp(T - the largest T up to this chunk)
//   back           derivatives by the sums inside the first layer. The second layer's are weight ·
//                  w_out · (slope + (1 - slope) active): `active` is exact in any precision, and
//                  the rest goes into the matrix and the epilogue
//   hidden_sums    Σ active ⊗ weight h: gives the gradients of W_h, b_h and w_out
//   input_sums     Σ grad_first ⊗ [x, y, 1]: of W_a, W_b and their biases
//   input_rows     grad_first · [W_a, W_b]: of a and b
//
// Sums are made in fixed parts and added in order. Tiles across come first in the grids, so that
// those of the same rows run side by side and read them once.
#pragma once

#include <algorithm>
#include <type_traits>

#include "csrc/cuda/mine_gradients.cuh"
#include "csrc/cuda/mine_layers.cuh"
#include "csrc/cuda/mine_narrow_run.cuh"
#include "csrc/cuda/mine_prepare.cuh"
#include "csrc/cuda/mine_scores.cuh"
#include "csrc/cuda/mine_sums.cuh"

namespace midiff::cuda {

// For the launches and for the tests: `launch` is called with a kernel, its grid (x, y, members),
// its threads, its shared memory and its arguments.
template <class T, Products kProducts, class Launch>
void run_mine(const MineTask<T>& task, const Launch& launch) {
  const MineLayout& l = task.layout;
  const int64_t members = task.members, shared = tile_shared_bytes<T>();
  const bool to_inputs = task.grad_a != nullptr, to_weights = task.grad_weight_h != nullptr;
  const auto blocks = [](int64_t items) { return (items + kMineThreads - 1) / kMineThreads; };
  const auto tiles = [](int64_t size, int64_t of = kTile) { return (size + of - 1) / of; };
  const int64_t block_shared = mine_block_shared_bytes();
  const int64_t half_tiles = tiles(l.chunk), row_tiles = kHalves * half_tiles;
  const int64_t packed = l.width * std::max({l.width, l.a_width, l.b_width, l.a_size + l.b_size});
  const auto products = [&](auto kernel, int64_t x, int64_t y, const auto&... arguments) {
    launch(kernel, x, y, members, kTileThreads, shared, task, arguments...);
  };

  launch(mine_pack<T, kProducts>, blocks(packed), 1, members, kMineThreads, 0, task);
  launch(mine_pack_units<T>, l.padded() / kWarp, 1, members, kMineThreads, block_shared, task);
  if constexpr (std::is_same_v<T, float>)
    if (l.is_narrow()) {
      run_narrow_mine<kProducts>(task, launch);
      return;
    }
  for (int64_t number = 0; number < l.chunks; ++number) {
    launch(mine_gather<T, kProducts>, l.chunk / kGatherRows, 1, members, kMineThreads, 0, task,
           number * l.chunk);
    products(mine_first_layer<T, kProducts>, l.tiles, half_tiles);
    products(mine_second_layer<T, kProducts>, l.tiles, row_tiles);
    launch(mine_score<T>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task, number);
    launch(mine_weigh<T>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task, number);
    if (!to_inputs && !to_weights) continue;
    products(mine_back<T, kProducts>, l.tiles, row_tiles);
    // Half a tile across where that is all there is, or all that is left.
    const auto narrow = [](int64_t columns) { return (columns + 63) / 64 % 2 == 1; };
    if (to_weights) {
      products(mine_hidden_sums<T, kProducts>, l.tiles * l.tiles, kHalves * l.splits, number);
      const int64_t parts = kHalves * l.input_splits;
      if (narrow(l.in_width()))
        products(mine_input_sums<T, kProducts, 64>, l.tiles * tiles(l.in_width(), 64), parts,
                 number);
      else
        products(mine_input_sums<T, kProducts, kTile>, l.tiles * tiles(l.in_width()), parts,
                 number);
    }
    if (to_inputs) {
      const int64_t columns = l.a_size + l.b_size;
      if (narrow(columns))
        products(mine_input_rows<T, kProducts, 64>, tiles(columns, 64), row_tiles, number);
      else
        products(mine_input_rows<T, kProducts, kTile>, tiles(columns), row_tiles, number);
    }
  }
  launch(mine_finish<T>, 1, 1, members, kMineThreads, block_shared, task);
  if (to_weights) join_sums(task, launch);
  if (to_inputs)
    launch(mine_join_rows<T>, (l.samples + kJoinRows - 1) / kJoinRows, 1, members, kMineThreads, 0,
           task);
}

}  // namespace midiff::cuda
