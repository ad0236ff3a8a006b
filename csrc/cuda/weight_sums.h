// How the rows behind a weight gradient are cut, for weight_sums.cuh and for who allocates.
#pragma once

#include <cstdint>

#include "csrc/common/macros.h"

namespace midiff::cuda {

inline constexpr int kSumTile = 64;      // outputs of a block in either direction
inline constexpr int kSumRows = 16;      // rows in shared memory at a time
inline constexpr int kSumThreads = 256;  // each with 4 × 4 outputs
inline constexpr int kSumStride = kSumTile + 4;

// Rows of a chunk. At most 128 chunks: they alone fill the device.
MF_HD int64_t sum_chunk(int64_t rows) {
  constexpr int64_t kLeast = 512, kMostChunks = 128;
  const int64_t wanted = (rows + kMostChunks - 1) / kMostChunks;
  const int64_t rounded = (wanted + kSumRows - 1) / kSumRows * kSumRows;
  return rounded > kLeast ? rounded : kLeast;
}

MF_HD int64_t sum_chunks(int64_t rows) {
  const int64_t chunk = sum_chunk(rows);
  return rows == 0 ? 1 : (rows + chunk - 1) / chunk;
}

MF_HD int64_t sum_tiles(int64_t size) { return (size + kSumTile - 1) / kSumTile; }

template <class T>
MF_HD int64_t sum_shared_bytes() {
  return 2 * kSumRows * kSumStride * static_cast<int64_t>(sizeof(T));
}

}  // namespace midiff::cuda
