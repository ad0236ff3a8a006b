// Keyed random numbers on CUDA.
#include "csrc/ops/random.h"

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/stableivalue_conversions.h>

#include <array>
#include <cstdint>
#include <optional>

#include "csrc/cuda/random.h"
#include "csrc/cuda/torch.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

cuda::RandomDraw draw_of(const Tensor& seeds, int64_t purpose, int64_t step, int64_t count) {
  check_members(seeds.size(0), "seeds");
  return {seeds.const_data_ptr<int64_t>(), seeds.size(0), static_cast<uint32_t>(purpose),
          static_cast<uint32_t>(step), count};
}

// seeds: [E] -> [E, count] in [0, 1).
Tensor uniform(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count,
               ScalarType dtype) {
  check_random_arguments(seeds_, purpose, step, count);
  const CudaCall call(seeds_);
  const Tensor seeds = as_contiguous(seeds_);
  Tensor out = empty_like_device(seeds, {seeds.size(0), count}, dtype);
  dispatch_floating(dtype, "dtype", [&](auto zero) {
    check_cuda(cuda::launch_uniform(draw_of(seeds, purpose, step, count),
                                    out.mutable_data_ptr<decltype(zero)>(), call.stream()),
               "uniform");
  });
  return out;
}

// seeds: [E] -> [E, count], mean 0 and standard deviation `std`.
Tensor normal(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count, double std,
              ScalarType dtype) {
  check_random_arguments(seeds_, purpose, step, count);
  const CudaCall call(seeds_);
  const Tensor seeds = as_contiguous(seeds_);
  Tensor out = empty_like_device(seeds, {seeds.size(0), count}, dtype);
  dispatch_floating(dtype, "dtype", [&](auto zero) {
    check_cuda(cuda::launch_normal(draw_of(seeds, purpose, step, count), std,
                                   out.mutable_data_ptr<decltype(zero)>(), call.stream()),
               "normal");
  });
  return out;
}

// torch's own sort of each row: the positions, equal keys in the order they had.
Tensor stable_argsort(const Tensor& keys) {
  using torch::stable::detail::from;
  using torch::stable::detail::to;
  std::array<StableIValue, 4> stack{from(keys), from(std::optional<bool>(true)), from(int64_t{-1}),
                                    from(false)};
  STD_TORCH_CHECK(
      torch_call_dispatcher("aten::sort", "stable", stack.data(), TORCH_ABI_VERSION) == 0,
      "permutation: torch could not sort the keys");
  to<Tensor>(stack[0]);  // the sorted keys, to be released
  return to<Tensor>(stack[1]);
}

// seeds: [E] -> [E, count] int64, each row a permutation.
Tensor permutation(const Tensor& seeds_, int64_t purpose, int64_t step, int64_t count) {
  check_random_arguments(seeds_, purpose, step, count);
  STD_TORCH_CHECK(count <= int64_t{1} << 32, "count: expected at most 2^32, got ", count);
  const CudaCall call(seeds_);
  const Tensor seeds = as_contiguous(seeds_);
  Tensor keys = empty_like_device(seeds, {seeds.size(0), count}, ScalarType::Long);
  check_cuda(cuda::launch_keys(draw_of(seeds, purpose, step, count),
                               keys.mutable_data_ptr<int64_t>(), call.stream()),
             "permutation");
  return stable_argsort(keys);
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("uniform", TORCH_BOX(&midiff::uniform));
  library.impl("normal", TORCH_BOX(&midiff::normal));
  library.impl("permutation", TORCH_BOX(&midiff::permutation));
}
