// The Donsker-Varadhan op on CUDA: arguments and memory around the kernels.
#include "csrc/cuda/mine.h"

#include <torch/csrc/stable/library.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "csrc/cuda/torch.h"
#include "csrc/ops/mine.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

using cuda::kHalves;
using cuda::MineLayout;
using cuda::MineTask;

// One allocation for all scratch of an op: each part aligned to 256 bytes.
class Scratch {
 public:
  // Counts the bytes of a part; run once with `base` null, then again with the memory.
  template <class T>
  T* part(int64_t numbers) {
    unsigned char* at = base_ ? base_ + used_ : nullptr;
    used_ += (numbers * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return reinterpret_cast<T*>(at);
  }
  void begin(unsigned char* base) {
    base_ = base;
    used_ = 0;
  }
  int64_t used() const { return used_; }

 private:
  unsigned char* base_ = nullptr;
  int64_t used_ = 0;
};

template <class T>
void lay_out(MineTask<T>& task, Scratch& scratch, bool to_inputs, bool to_weights) {
  const MineLayout& l = task.layout;
  const int64_t members = task.members;
  const auto numbers = [&](int64_t size) { return scratch.part<T>(members * size); };
  const auto doubles = [&](int64_t size) { return scratch.part<double>(members * size); };
  const int64_t layer = kHalves * l.chunk * l.width;
  task.first_a = numbers(l.width * l.a_width);
  task.first_b = numbers(l.width * l.b_width);
  task.hidden = numbers(l.width * l.width);
  task.back = numbers(l.width * l.width);
  task.back_sums = numbers(l.width);
  task.into_inputs = numbers((l.a_size + l.b_size) * l.width);
  task.x = numbers(l.chunk * l.a_width);
  task.y = numbers(kHalves * l.chunk * l.b_width);
  task.first = numbers(layer);
  task.active = scratch.part<unsigned char>(members * layer);
  task.score_parts = numbers(l.tiles * kHalves * l.chunk);
  task.scores = numbers(kHalves * l.chunk);
  task.weights = numbers(kHalves * l.chunk);
  task.grad_first = numbers(to_inputs || to_weights ? layer : 0);
  task.block_sums = doubles(l.chunks * kHalves * l.row_blocks);
  task.block_largest = doubles(l.chunks * l.row_blocks);
  task.shares = doubles(l.chunks);
  const int64_t parts = to_weights ? l.chunks * kHalves * l.width : 0;
  task.hidden_parts = numbers(parts * l.splits * l.width);
  task.input_parts = numbers(parts * l.input_splits * l.in_width());
  task.hidden_sums = numbers(to_weights ? l.width * l.width : 0);
  task.product_gradient = numbers(to_inputs ? l.samples * (l.a_size + l.b_size) : 0);
}

// The permutation is trusted to hold every index once: looking would mean to wait for the device.
MineResults donsker_varadhan(const Tensor& a, const Tensor& b,
                             const std::optional<Tensor>& marginal_b, const Tensor& permutation,
                             const Tensor& weight_a, const Tensor& bias_a, const Tensor& weight_b,
                             const Tensor& bias_b, const Tensor& weight_h, const Tensor& bias_h,
                             const Tensor& weight_out, const std::optional<Tensor>& bias_out,
                             double negative_slope, bool input_gradients, bool weight_gradients,
                             int64_t rounding) {
  const MineArguments x =
      check_mine_arguments(a, b, marginal_b, permutation, weight_a, bias_a, weight_b, bias_b,
                           weight_h, bias_h, weight_out, bias_out, negative_slope, rounding);
  const auto here = [&](const Tensor& tensor, const char* name) {
    check_same_device(tensor, name, a);
  };
  here(b, "b");
  here(x.marginal_b, "marginal_b");
  here(permutation, "permutation");
  here(weight_a, "weight_a");
  here(bias_a, "bias_a");
  here(weight_b, "weight_b");
  here(bias_b, "bias_b");
  here(weight_h, "weight_h");
  here(bias_h, "bias_h");
  here(weight_out, "weight_out");
  constexpr int64_t kMostMembers = 65535;  // of a grid's third axis
  STD_TORCH_CHECK(x.members <= kMostMembers, "a: expected at most ", kMostMembers,
                  " members on CUDA, got ", x.members);
  const CudaCall call(a);
  const auto like = [&](const Tensor& tensor, bool wanted) {
    return wanted ? torch::stable::empty_like(tensor) : empty_like_device(a, {0});
  };
  const Tensor mi = empty_like_device(a, {x.members});
  const Tensor grad_a = like(x.a, input_gradients), grad_b = like(x.b, input_gradients);
  const Tensor grad_marginal_b = like(x.b, input_gradients && x.has_marginal);
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
      task.layout = MineLayout::of(x.samples, x.a_size, x.b_size, x.hidden);
      task.members = x.members;
      task.slope = static_cast<T>(negative_slope);
      task.highest = x.rounding == MineRounding::kFloat32;
      task.has_marginal = x.has_marginal;
      task.a = of(x.a);
      task.b = of(x.b);
      task.marginal_b = of(x.marginal_b);
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
      Scratch scratch;
      lay_out(task, scratch, input_gradients, weight_gradients);
      const Tensor memory = empty_like_device(a, {scratch.used()}, ScalarType::Byte);
      scratch.begin(memory.mutable_data_ptr<uint8_t>());
      lay_out(task, scratch, input_gradients, weight_gradients);
      check_cuda(cuda::launch_mine(task, call.stream()), "donsker_varadhan");
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
