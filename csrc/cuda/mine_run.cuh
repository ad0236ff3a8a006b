// The order of the Donsker-Varadhan kernels, for the launches and for the tests: `launch` is called
// with a kernel, its grid (x, y, members), its threads, its shared memory and its arguments.
#pragma once

#include "csrc/cuda/mine_kernel.cuh"

namespace midiff::cuda {

template <class T, Products kProducts, Products kExactLeft, class Launch>
void run_mine(const MineTask<T>& task, const Launch& launch) {
  const MineLayout& l = task.layout;
  const int64_t members = task.members, shared = tile_shared_bytes<T>();
  const bool to_inputs = task.grad_a != nullptr, to_weights = task.grad_weight_h != nullptr;
  const auto blocks = [](int64_t items) { return (items + kMineThreads - 1) / kMineThreads; };
  const auto tiles = [](int64_t size) { return (size + kTile - 1) / kTile; };
  const int64_t block_shared = mine_block_shared_bytes();
  const int64_t half_tiles = tiles(l.chunk), row_tiles = kHalves * half_tiles;
  const int64_t packed = l.width * std::max({l.width, l.a_width, l.b_width, l.a_size + l.b_size});

  launch(mine_pack<T>, blocks(packed), 1, members, kMineThreads, 0, task);
  for (int64_t number = 0; number < l.chunks; ++number) {
    const int64_t gathered = l.chunk * (l.a_width + kHalves * l.b_width);
    launch(mine_gather<T>, blocks(gathered), 1, members, kMineThreads, 0, task, number * l.chunk);
    launch(mine_first_layer<T, kProducts>, half_tiles, l.tiles, members, kTileThreads, shared,
           task);
    launch(mine_second_layer<T, kProducts>, row_tiles, l.tiles, members, kTileThreads, shared,
           task);
    launch(mine_score<T>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task, number);
    launch(mine_weigh<T>, l.row_blocks, kHalves, members, kMineThreads, block_shared, task, number);
    if (!to_inputs && !to_weights) continue;
    launch(mine_back<T, kExactLeft>, row_tiles, l.tiles, members, kTileThreads, shared, task);
    if (to_weights) {
      launch(mine_hidden_sums<T, kExactLeft>, l.tiles * l.tiles, kHalves * l.splits, members,
             kTileThreads, shared, task, number);
      launch(mine_input_sums<T, kProducts>, l.tiles * tiles(l.in_width()), kHalves * l.input_splits,
             members, kTileThreads, shared, task, number);
    }
    if (to_inputs)
      launch(mine_input_rows<T, kProducts>, row_tiles, tiles(l.a_size + l.b_size), members,
             kTileThreads, shared, task, number);
  }
  launch(mine_finish<T>, 1, 1, members, kMineThreads, block_shared, task);
  if (to_weights) {
    launch(mine_join_hidden<T>, blocks(l.width * l.width), 1, members, kMineThreads, 0, task);
    launch(mine_hidden_gradients<T>, blocks(l.hidden * kWarp), 1, members, kMineThreads, 0, task);
    launch(mine_input_gradients<T>, blocks(l.hidden * l.in_width()), 1, members, kMineThreads, 0,
           task);
  }
  if (to_inputs)
    launch(mine_join_rows<T>, blocks(l.samples * (l.a_size + l.b_size)), 1, members, kMineThreads,
           0, task);
}

}  // namespace midiff::cuda
