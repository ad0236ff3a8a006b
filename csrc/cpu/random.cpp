// Keyed random numbers on the CPU. Every number depends on its own index alone, so threads take
// chunks of whole blocks in any order.
#include "csrc/ops/random.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "csrc/cpu/kernels.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

// Numbers per piece of work: some 30 µs, and a multiple of 4.
constexpr int64_t kChunk = 1 << 14;

// Calls fill(stream, first, count, target) until out: [E, count] is full.
template <class T, class Fill>
void fill_streams(const Tensor& seeds, int64_t purpose, int64_t step, const Tensor& out,
                  const Fill& fill) {
  const int64_t* seed = seeds.const_data_ptr<int64_t>();
  T* target = out.mutable_data_ptr<T>();
  const int64_t count = out.size(1);
  const int64_t chunks = (count + kChunk - 1) / kChunk;  // per seed
  parallel_items(out.size(0) * chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t member = item / chunks;
      const int64_t first = item % chunks * kChunk;
      fill(stream_of(seed[member], purpose, step), first, std::min(kChunk, count - first),
           target + member * count + first);
    }
  });
}

// seeds: [E] -> [E, count] in [0, 1).
Tensor uniform(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count,
               ScalarType dtype) {
  check_random_arguments(seeds_, purpose, step, count);
  const Tensor seeds = as_contiguous(seeds_);
  return dispatch_floating(dtype, "dtype", [&](auto zero) {
    using T = decltype(zero);
    Tensor out = empty_like_device(seeds, {seeds.size(0), count}, dtype);
    const RandomKernels& random = kernels().random;
    if constexpr (std::is_same_v<T, float>)
      fill_streams<T>(seeds, purpose, step, out, random.uniform_float);
    else
      fill_streams<T>(seeds, purpose, step, out, random.uniform_double);
    return out;
  });
}

// seeds: [E] -> [E, count], mean 0 and standard deviation `std`.
Tensor normal(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count, double std,
              ScalarType dtype) {
  check_random_arguments(seeds_, purpose, step, count);
  const Tensor seeds = as_contiguous(seeds_);
  return dispatch_floating(dtype, "dtype", [&](auto zero) {
    using T = decltype(zero);
    Tensor out = empty_like_device(seeds, {seeds.size(0), count}, dtype);
    const RandomKernels& random = kernels().random;
    fill_streams<T>(seeds, purpose, step, out,
                    [&](RandomStream stream, int64_t first, int64_t size, T* target) {
                      if constexpr (std::is_same_v<T, float>)
                        random.normal_float(stream, first, size, static_cast<T>(std), target);
                      else
                        random.normal_double(stream, first, size, std, target);
                    });
    return out;
  });
}

// Indices 0 … count-1 in the order of their keys, equal keys in the order of the indices: a radix
// sort, least significant digit first.
void sort_by_key(std::vector<uint32_t>& keys, int64_t* indices) {
  constexpr int kDigitBits = 11;  // three passes; the counters fit the first-level cache
  constexpr uint32_t kDigits = 1u << kDigitBits;
  struct Item {
    uint32_t key, index;
  };
  const size_t count = keys.size();
  std::vector<Item> items(count), sorted(count);
  for (size_t i = 0; i < count; ++i) items[i] = {keys[i], static_cast<uint32_t>(i)};
  for (int shift = 0; shift < 32; shift += kDigitBits) {
    std::vector<size_t> start(kDigits + 1, 0);
    const auto digit = [shift](const Item& item) { return (item.key >> shift) & (kDigits - 1); };
    for (const Item& item : items) ++start[digit(item) + 1];
    for (uint32_t d = 0; d < kDigits; ++d) start[d + 1] += start[d];
    for (const Item& item : items) sorted[start[digit(item)]++] = item;
    items.swap(sorted);
  }
  for (size_t i = 0; i < count; ++i) indices[i] = items[i].index;
}

// seeds: [E] -> [E, count] int64, each row a permutation.
Tensor permutation(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count) {
  check_random_arguments(seeds_, purpose, step, count);
  STD_TORCH_CHECK(count <= int64_t{1} << 32, "count: expected at most 2^32, got ", count);
  const Tensor seeds = as_contiguous(seeds_);
  Tensor out = empty_like_device(seeds, {seeds.size(0), count}, ScalarType::Long);
  const int64_t* seed = seeds.const_data_ptr<int64_t>();
  int64_t* target = out.mutable_data_ptr<int64_t>();
  parallel_items(seeds.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> keys(static_cast<size_t>(count));
    for (int64_t member = begin; member < end; ++member) {
      kernels().random.bits(stream_of(seed[member], purpose, step), 0, count, keys.data());
      sort_by_key(keys, target + member * count);
    }
  });
  return out;
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CPU, library) {
  library.impl("uniform", TORCH_BOX(&midiff::uniform));
  library.impl("normal", TORCH_BOX(&midiff::normal));
  library.impl("permutation", TORCH_BOX(&midiff::permutation));
}
