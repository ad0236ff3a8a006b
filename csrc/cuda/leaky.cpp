// The leaky RNN on CUDA: allocation around the kernels.
#include "csrc/ops/leaky.h"

#include <torch/csrc/stable/library.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "csrc/cuda/leaky.h"
#include "csrc/cuda/torch.h"
#include "csrc/cuda/weight_sums.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

using cuda::LeakyBackwardTask;
using cuda::LeakyForwardTask;
using cuda::LeakyGradientTask;

template <class T>
T* pointer_if(const Tensor& tensor, bool wanted) {
  return wanted ? tensor.mutable_data_ptr<T>() : nullptr;
}

// Returns the states [E, B, T, N], or the last ones [E, B, N].
Tensor forward(const Tensor& input_, const Tensor& h0_, const Tensor& weight_ih_,
               const Tensor& weight_hh_, const Tensor& bias_, const std::optional<Tensor>& noise_,
               double alpha, bool keep_all) {
  const LeakyShape shape = check_leaky_arguments(input_, h0_, weight_ih_, weight_hh_);
  const ScalarType dtype = input_.scalar_type();
  check_shape(bias_, "bias", "[E, N]", {shape.members, shape.units});
  check_dtype(bias_, "bias", dtype);
  if (noise_) check_leaky_sequences(*noise_, "noise", shape, dtype);
  check_same_device(h0_, "h0", input_);
  check_same_device(weight_ih_, "weight_ih", input_);
  check_same_device(weight_hh_, "weight_hh", input_);
  check_same_device(bias_, "bias", input_);
  if (noise_) check_same_device(*noise_, "noise", input_);
  const CudaCall call(input_);
  const Tensor input = as_contiguous(input_), h0 = as_contiguous(h0_);
  const Tensor weight_ih = as_contiguous(weight_ih_), weight_hh = as_contiguous(weight_hh_);
  const Tensor bias = as_contiguous(bias_), noise = noise_ ? as_contiguous(*noise_) : input;
  Tensor result =
      keep_all ? empty_like_device(input, {shape.members, shape.batch, shape.steps, shape.units})
               : empty_like_device(input, {shape.members, shape.batch, shape.units});
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const LeakyForwardTask<T> task = {shape,
                                      static_cast<T>(alpha),
                                      input.const_data_ptr<T>(),
                                      h0.const_data_ptr<T>(),
                                      weight_ih.const_data_ptr<T>(),
                                      weight_hh.const_data_ptr<T>(),
                                      bias.const_data_ptr<T>(),
                                      noise_ ? noise.const_data_ptr<T>() : nullptr,
                                      pointer_if<T>(result, keep_all),
                                      pointer_if<T>(result, !keep_all)};
    check_cuda(cuda::launch_leaky_forward(task, call.stream()), "leaky_rnn");
  });
  return result;
}

Tensor leaky_rnn(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                 const Tensor& weight_hh, const Tensor& bias, std::optional<Tensor> noise,
                 double alpha) {
  return forward(input, h0, weight_ih, weight_hh, bias, noise, alpha, true);
}

Tensor leaky_rnn_last(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                      const Tensor& weight_hh, const Tensor& bias, std::optional<Tensor> noise,
                      double alpha) {
  return forward(input, h0, weight_ih, weight_hh, bias, noise, alpha, false);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> leaky_rnn_backward(
    const Tensor& grad_states_, const Tensor& states_, const Tensor& input_, const Tensor& h0_,
    const Tensor& weight_ih_, const Tensor& weight_hh_, double alpha, bool needs_input,
    bool needs_h0, bool needs_weights, bool needs_noise) {
  const LeakyShape shape = check_leaky_arguments(input_, h0_, weight_ih_, weight_hh_);
  if (needs_weights) check_members(shape.members, "weight_hh");
  const ScalarType dtype = input_.scalar_type();
  check_leaky_sequences(states_, "states", shape, dtype);
  check_leaky_sequences(grad_states_, "grad_states", shape, dtype);
  check_same_device(grad_states_, "grad_states", input_);
  check_same_device(states_, "states", input_);
  check_same_device(h0_, "h0", input_);
  check_same_device(weight_ih_, "weight_ih", input_);
  check_same_device(weight_hh_, "weight_hh", input_);
  const CudaCall call(input_);
  const Tensor grad_states = as_contiguous(grad_states_), states = as_contiguous(states_);
  const Tensor input = as_contiguous(input_), h0 = as_contiguous(h0_);
  const Tensor weight_ih = as_contiguous(weight_ih_), weight_hh = as_contiguous(weight_hh_);
  const auto [members, batch, steps, inputs, units] = shape;
  const int64_t sources = shape.sources(), chunks = cuda::sum_chunks(batch * steps);
  const auto empty_if = [&](bool wanted, std::initializer_list<int64_t> axes) {
    return wanted ? empty_like_device(input, axes) : empty_like_device(input, {0});
  };
  // Weights and inputs need the gradient of the noise on their way.
  Tensor grad_noise = empty_like_device(input, {members, batch, steps, units});
  Tensor grad_input = empty_if(needs_input, {members, batch, steps, inputs});
  Tensor grad_h0 = empty_if(needs_h0, {members, batch, units});
  Tensor partial = empty_if(needs_weights, {members, chunks, units, sources});
  Tensor sums = empty_if(needs_weights, {members, units, sources});
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const LeakyBackwardTask<T> backward = {shape,
                                           static_cast<T>(alpha),
                                           grad_states.const_data_ptr<T>(),
                                           states.const_data_ptr<T>(),
                                           h0.const_data_ptr<T>(),
                                           weight_hh.const_data_ptr<T>(),
                                           grad_noise.mutable_data_ptr<T>(),
                                           pointer_if<T>(grad_h0, needs_h0)};
    check_cuda(cuda::launch_leaky_backward(backward, call.stream()), "leaky_rnn_backward");
    const LeakyGradientTask<T> gradients = {shape,
                                            static_cast<T>(alpha),
                                            grad_noise.const_data_ptr<T>(),
                                            states.const_data_ptr<T>(),
                                            h0.const_data_ptr<T>(),
                                            input.const_data_ptr<T>(),
                                            weight_ih.const_data_ptr<T>(),
                                            pointer_if<T>(grad_input, needs_input),
                                            pointer_if<T>(partial, needs_weights),
                                            pointer_if<T>(sums, needs_weights)};
    check_cuda(cuda::launch_leaky_gradients(gradients, call.stream()), "leaky_rnn_backward");
  });
  const Tensor none = empty_like_device(input, {0});
  const auto columns = [&](int64_t first, int64_t last) {
    return needs_weights ? as_contiguous(torch::stable::narrow(sums, 2, first, last - first))
                         : none;
  };
  const Tensor grad_weight_hh = columns(0, units);
  const Tensor grad_weight_ih = columns(units, units + inputs);
  Tensor grad_bias = columns(sources - 1, sources);
  if (needs_weights) grad_bias = torch::stable::flatten(grad_bias, 1, 2);
  return {grad_input,     grad_h0,   grad_weight_ih,
          grad_weight_hh, grad_bias, needs_noise ? grad_noise : none};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("leaky_rnn", TORCH_BOX(&midiff::leaky_rnn));
  library.impl("leaky_rnn_last", TORCH_BOX(&midiff::leaky_rnn_last));
  library.impl("leaky_rnn_backward", TORCH_BOX(&midiff::leaky_rnn_backward));
}
