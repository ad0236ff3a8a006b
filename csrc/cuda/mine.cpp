// The Donsker-Varadhan op on CUDA: arguments and memory around the kernels.
#include "csrc/cuda/mine.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "csrc/cuda/torch.h"
#include "csrc/ops/mine.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

using cuda::MineLayout;
using cuda::MineTask;

// Bytes of the scratch of `members` of a task; with `memory`, the task's pointers into it, each
// part aligned to 256 bytes.
template <class T>
int64_t lay_out(MineTask<T>& task, int64_t members, unsigned char* memory) {
  int64_t used = 0;
  cuda::for_each_scratch(task, [&](auto*& pointer, int64_t numbers) {
    using Pointer = std::remove_reference_t<decltype(pointer)>;
    pointer = memory ? reinterpret_cast<Pointer>(memory + used) : nullptr;
    const int64_t bytes = members * numbers * static_cast<int64_t>(sizeof(*pointer));
    used += (bytes + 255) / 256 * 256;
  });
  return used;
}

// The choice between the two designs: by type and sizes, on devices that have both.
template <class T>
MineLayout layout_of(const MineArguments& x) {
  const bool narrow = std::is_same_v<T, float> &&
                      MineLayout::fits_narrow(x.a_size, x.b_size, x.hidden) &&
                      cuda::narrow_mine_runs_here();
  return narrow ? MineLayout::narrow_of(x.samples, x.a_size, x.b_size, x.hidden)
                : MineLayout::of(x.samples, x.a_size, x.b_size, x.hidden);
}

// Members that go through the kernels side by side: few, for their layers to stay near the
// second-level cache, and for large ensembles to need no more memory than small ones. One of them
// with a layer of 2 · 8,192 · 512 numbers fills a device by itself.
int64_t members_at_once(int64_t members, int64_t bytes_of_one) {
  constexpr int64_t kBytes = 128 << 20;
  const int64_t most =
      std::clamp<int64_t>(kBytes / bytes_of_one, 1, std::min(members, kMostMembers));
  const int64_t groups = (members + most - 1) / most;
  return (members + groups - 1) / groups;
}

// That the permutation holds every index once is trusted: looking would mean to wait for the
// device. An index out of range makes the bound NaN.
MineResults donsker_varadhan(const Tensor& a, const Tensor& b,
                             const std::optional<Tensor>& marginal_b, const Tensor& permutation,
                             const Tensor& weight_a, const Tensor& bias_a, const Tensor& weight_b,
                             const Tensor& bias_b, const Tensor& weight_h, const Tensor& bias_h,
                             const Tensor& weight_out, const std::optional<Tensor>& bias_out,
                             double negative_slope, const std::optional<Tensor>& noise_seeds,
                             int64_t noise_purpose_a, int64_t noise_purpose_b, int64_t noise_step,
                             double noise_std, bool input_gradients, bool weight_gradients,
                             int64_t rounding) {
  const MineArguments x =
      check_mine_arguments(a, b, marginal_b, permutation, weight_a, bias_a, weight_b, bias_b,
                           weight_h, bias_h, weight_out, bias_out, negative_slope, noise_seeds,
                           noise_purpose_a, noise_purpose_b, noise_step, noise_std, rounding);
  const auto here = [&](const Tensor& tensor, const char* name) {
    check_same_device(tensor, name, a);
  };
  here(b, "b");
  here(x.marginal_b, "marginal_b");
  here(permutation, "permutation");
  here(x.noise_seeds, "noise_seeds");
  here(weight_a, "weight_a");
  here(bias_a, "bias_a");
  here(weight_b, "weight_b");
  here(bias_b, "bias_b");
  here(weight_h, "weight_h");
  here(bias_h, "bias_h");
  here(weight_out, "weight_out");
  constexpr int64_t kMostUnits = 1 << 15;  // matrices of them below 2^32 numbers
  STD_TORCH_CHECK(x.hidden <= kMostUnits, "weight_h: expected at most ", kMostUnits,
                  " units on CUDA, got ", x.hidden);
  const CudaCall call(a);
  const auto like = [&](const Tensor& tensor, bool wanted) {
    return wanted ? torch::stable::empty_like(tensor) : empty_like_device(a, {0});
  };
  const auto like_samples = [&](int64_t size, bool wanted) {
    return wanted ? empty_like_device(a, {x.members, x.samples, size}) : empty_like_device(a, {0});
  };
  const Tensor mi = empty_like_device(a, {x.members});
  const Tensor grad_a = like_samples(x.a_size, input_gradients);
  const Tensor grad_b = like_samples(x.b_size, input_gradients);
  const Tensor grad_marginal_b = like_samples(x.b_size, input_gradients && x.has_marginal);
  const Tensor grad_weight_a = like(x.weight_a, weight_gradients);
  const Tensor grad_bias_first = like(x.bias_a, weight_gradients);
  const Tensor grad_weight_b = like(x.weight_b, weight_gradients);
  const Tensor grad_weight_h = like(x.weight_h, weight_gradients);
  const Tensor grad_bias_h = like(x.bias_h, weight_gradients);
  const Tensor grad_weight_out = like(x.weight_out, weight_gradients);
  if (x.members > 0)
    dispatch_floating(a.scalar_type(), "a", [&](auto zero) {
      using T = decltype(zero);
      const auto of = [](const Tensor& tensor) { return tensor.const_data_ptr<T>(); };
      const auto to = [](const Tensor& tensor, bool wanted) {
        return wanted ? tensor.mutable_data_ptr<T>() : nullptr;
      };
      MineTask<T> task = {};
      task.layout = layout_of<T>(x);
      task.slope = static_cast<T>(negative_slope);
      task.highest = x.rounding == MineRounding::kFloat32;
      task.has_marginal = x.has_marginal;
      task.a = sample_rows<T>(x.a);
      task.b = sample_rows<T>(x.b);
      task.marginal_b = sample_rows<T>(x.marginal_b);
      task.noise = x.noise;
      task.permutation = x.permutation.const_data_ptr<int64_t>();
      task.weight_a = of(x.weight_a);
      task.bias_a = of(x.bias_a);
      task.weight_b = of(x.weight_b);
      task.bias_b = of(x.bias_b);
      task.weight_h = of(x.weight_h);
      task.bias_h = of(x.bias_h);
      task.weight_out = of(x.weight_out);
      task.mi = to(mi, true);
      task.grad_a = to(grad_a, input_gradients);
      task.grad_b = to(grad_b, input_gradients);
      task.grad_marginal_b = to(grad_marginal_b, input_gradients && x.has_marginal);
      task.grad_weight_a = to(grad_weight_a, weight_gradients);
      task.grad_bias_first = to(grad_bias_first, weight_gradients);
      task.grad_weight_b = to(grad_weight_b, weight_gradients);
      task.grad_weight_h = to(grad_weight_h, weight_gradients);
      task.grad_bias_h = to(grad_bias_h, weight_gradients);
      task.grad_weight_out = to(grad_weight_out, weight_gradients);
      const int64_t group = members_at_once(x.members, lay_out(task, 1, nullptr));
      const Tensor memory = empty_like_device(a, {lay_out(task, group, nullptr)}, ScalarType::Byte);
      lay_out(task, group, memory.mutable_data_ptr<uint8_t>());
      for (int64_t first = 0; first < x.members; first += group) {
        task.members = std::min(group, x.members - first);
        check_cuda(cuda::launch_mine(task, call.stream()), "donsker_varadhan");
        cuda::move_tensors(task, group);
      }
    });
  return {mi,
          grad_a,
          grad_b,
          grad_marginal_b,
          grad_weight_a,
          grad_bias_first,
          grad_weight_b,
          grad_weight_h,
          grad_bias_h,
          grad_weight_out};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("donsker_varadhan", TORCH_BOX(&midiff::donsker_varadhan));
}
