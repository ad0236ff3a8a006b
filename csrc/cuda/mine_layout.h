// Sizes of the Donsker-Varadhan kernels' scratch: what a member's own shape makes of them. Nothing
// here depends on the ensemble or the device, so neither does any bit of the result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff::cuda {

// Units and inputs of narrow critics, with what pads them: the separation study has 100, and 50 of
// a and of b. No other design pads units to 104, so that tells it.
inline constexpr int kNarrowUnits = 104, kNarrowInputs = 56;

struct MineLayout {
  int64_t samples, a_size, b_size, hidden;  // S, A, B, H
  int64_t a_width, b_width;      // padded rows of a, and of b with a 1 behind it for the bias
  int64_t width;                 // padded row of hidden units
  int64_t tiles;                 // of 128 columns, over `width`
  int64_t chunk, chunks;         // samples worked on at once, a multiple of 256
  int64_t row_blocks;            // of 256 samples, in a chunk
  int64_t splits, input_splits;  // parts of a chunk whose sums are made side by side
  int64_t sum_halves;            // 2 where sums over joint and product pairs are apart

  MF_HD int64_t in_width() const { return a_width + b_width; }
  MF_HD int64_t padded() const { return tiles * 128; }   // units of whole tiles
  MF_HD int64_t words() const { return padded() / 32; }  // of their bits

  static MineLayout of(int64_t samples, int64_t a_size, int64_t b_size, int64_t hidden) {
    const auto padded = [](int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; };
    MineLayout l;
    l.samples = samples;
    l.a_size = a_size;
    l.b_size = b_size;
    l.hidden = hidden;
    l.a_width = padded(a_size, 16);
    l.b_width = padded(b_size + 1, 16);
    l.width = padded(hidden, 32);
    l.tiles = padded(l.width, 128) / 128;
    // 4 million numbers a layer and half: two layers of both halves fit the second-level cache.
    constexpr int64_t kNumbers = 4 << 20, kMostSamples = 32768;
    const int64_t fitting = std::clamp<int64_t>(kNumbers / l.width / 256 * 256, 256, kMostSamples);
    l.chunks = (samples + fitting - 1) / fitting;
    // Equal chunks: what the last one is padded with costs as much as samples.
    l.chunk = padded((samples + l.chunks - 1) / l.chunks, 256);
    l.chunks = (samples + l.chunk - 1) / l.chunk;
    l.row_blocks = l.chunk / 256;
    // Blocks enough for the device, each with 512 samples or more.
    const auto splits = [&](int64_t tiles_of_sums) {
      constexpr int64_t kBlocks = 256, kLeastSamples = 512;
      const int64_t most = std::max<int64_t>(1, l.chunk / kLeastSamples);
      return std::clamp<int64_t>(kBlocks / (2 * tiles_of_sums), 1, most);
    };
    l.splits = splits(l.tiles * l.tiles);
    l.input_splits = splits(l.tiles * (padded(l.in_width(), 128) / 128));
    l.sum_halves = 2;
    return l;
  }

  // A critic that is small enough for the narrow kernels: all samples at once.
  MF_HD bool is_narrow() const { return width == kNarrowUnits; }
  static bool fits_narrow(int64_t a_size, int64_t b_size, int64_t hidden) {
    return hidden <= kNarrowUnits && a_size <= kNarrowInputs && b_size + 1 <= kNarrowInputs;
  }
  static MineLayout narrow_of(int64_t samples, int64_t a_size, int64_t b_size, int64_t hidden) {
    MineLayout l = {};
    l.samples = samples;
    l.a_size = a_size;
    l.b_size = b_size;
    l.hidden = hidden;
    l.a_width = l.b_width = kNarrowInputs;
    l.width = kNarrowUnits;
    l.tiles = l.chunks = l.sum_halves = 1;
    l.row_blocks = (samples + 255) / 256;
    l.chunk = l.row_blocks * 256;
    // One block fills a multiprocessor; H100 and H200 have 132 of them.
    constexpr int64_t kParts = 132, kSamples = 128;
    l.splits = l.input_splits = std::min(kParts, (samples + kSamples - 1) / kSamples);
    return l;
  }
};

// Rows [0, 2) of anything below: pairs of the joint distribution, and of the product.
inline constexpr int kHalves = 2;

}  // namespace midiff::cuda
