// Allocation and threads for the op drivers.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "csrc/ops/checks.h"

namespace midiff {

// A new uninitialised, contiguous tensor on the device of `like`.
inline Tensor empty_like_device(const Tensor& like, std::initializer_list<int64_t> sizes,
                                ScalarType dtype) {
  return torch::stable::new_empty(like, torch::headeronly::IntHeaderOnlyArrayRef(sizes), dtype);
}

inline Tensor empty_like_device(const Tensor& like, std::initializer_list<int64_t> sizes) {
  return empty_like_device(like, sizes, like.scalar_type());
}

inline Tensor as_contiguous(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor);
}

// The tensor itself if its last axis is dense, else a contiguous copy.
inline Tensor dense_rows(const Tensor& tensor) {
  const int64_t last = tensor.dim() - 1;
  return tensor.size(last) <= 1 || tensor.strides()[last] == 1 ? tensor
                                                               : torch::stable::contiguous(tensor);
}

// Runs work(first, last) over [0, items) on torch's threads. Where the range is cut depends on the
// number of threads, so `work` must treat every item by itself: no sums across items.
template <class Work>
void parallel_items(int64_t items, int64_t grain, const Work& work) {
  if (items > 0) torch::stable::parallel_for(0, items, std::max<int64_t>(grain, 1), work);
}

// Runs work(chunk, first, last) over [0, items) cut into chunks of `chunk_size` items, the last one
// possibly shorter. The cuts depend on `chunk_size` alone: partial sums kept per chunk and added in
// order of the chunks are the same for any number of threads.
template <class Work>
void parallel_chunks(int64_t items, int64_t chunk_size, const Work& work) {
  const int64_t chunks = (items + chunk_size - 1) / chunk_size;
  parallel_items(chunks, 1, [&](int64_t first_chunk, int64_t last_chunk) {
    for (int64_t chunk = first_chunk; chunk < last_chunk; ++chunk) {
      const int64_t first = chunk * chunk_size;
      work(chunk, first, std::min(first + chunk_size, items));
    }
  });
}

}  // namespace midiff
