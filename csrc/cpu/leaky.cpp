// The leaky RNN on the CPU: allocation, packed weights and threads around the kernels.
#include "csrc/ops/leaky.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>

#include "csrc/cpu/aligned.h"
#include "csrc/cpu/kernels.h"
#include "csrc/cpu/sequence_tensors.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

template <class T>
const LeakyKernelsOf<T>& leaky_kernels_of() {
  if constexpr (std::is_same_v<T, float>)
    return kernels().leaky.of_float;
  else
    return kernels().leaky.of_double;
}

// Sequences worth a thread of their own: some 20 µs of work.
int64_t sequence_grain(const LeakyShape& shape) {
  constexpr int64_t kProducts = 1 << 18;
  return std::max<int64_t>(
      1, kProducts / std::max<int64_t>(1, shape.steps * shape.units * shape.sources()));
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
  const Tensor input = dense_rows(input_), h0 = contiguous(h0_);
  const Tensor weight_ih = contiguous(weight_ih_), weight_hh = contiguous(weight_hh_);
  const Tensor bias = contiguous(bias_), noise = noise_ ? dense_rows(*noise_) : input;
  Tensor result =
      keep_all ? empty_like_device(input, {shape.members, shape.batch, shape.steps, shape.units})
               : empty_like_device(input, {shape.members, shape.batch, shape.units});
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const LeakyKernelsOf<T>& leaky = leaky_kernels_of<T>();
    const int64_t packed_size = leaky.forward_packed_size(shape);
    Tensor packed = empty_like_device(input, {shape.members, packed_size});
    const LeakyWeights<T> weights = {weight_ih.const_data_ptr<T>(), weight_hh.const_data_ptr<T>(),
                                     bias.const_data_ptr<T>(), static_cast<T>(alpha)};
    for (int64_t member = 0; member < shape.members; ++member)
      leaky.pack_forward(shape, weights, member,
                         packed.mutable_data_ptr<T>() + member * packed_size);
    Sequences<T> noise_rows = {nullptr, 0, 0, 0};
    if (noise_) noise_rows = sequences_of<T>(noise);
    const LeakyForward<T> task = {shape,
                                  static_cast<T>(1 - alpha),
                                  sequences_of<T>(input),
                                  noise_rows,
                                  h0.const_data_ptr<T>(),
                                  packed.const_data_ptr<T>(),
                                  data_or_null<T>(result, keep_all),
                                  data_or_null<T>(result, !keep_all)};
    parallel_items(shape.sequences(), sequence_grain(shape), [&](int64_t first, int64_t last) {
      const auto scratch = aligned_zeros<T>(leaky.forward_scratch_size(shape));
      leaky.forward(task, first, last, scratch.get());
    });
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
  const ScalarType dtype = input_.scalar_type();
  check_leaky_sequences(states_, "states", shape, dtype);
  check_leaky_sequences(grad_states_, "grad_states", shape, dtype);
  const Tensor grad_states = dense_rows(grad_states_), states = contiguous(states_);
  const Tensor input = dense_rows(input_), h0 = contiguous(h0_);
  const Tensor weight_ih = contiguous(weight_ih_), weight_hh = contiguous(weight_hh_);
  const auto [members, batch, steps, inputs, units] = shape;
  const auto empty_if = [&](bool wanted, std::initializer_list<int64_t> axes) {
    return wanted ? empty_like_device(input, axes) : empty_like_device(input, {0});
  };
  Tensor grad_input = empty_if(needs_input, {members, batch, steps, inputs});
  Tensor grad_h0 = empty_if(needs_h0, {members, batch, units});
  Tensor grad_weight_ih = empty_if(needs_weights, {members, units, inputs});
  Tensor grad_weight_hh = empty_if(needs_weights, {members, units, units});
  Tensor grad_bias = empty_if(needs_weights, {members, units});
  Tensor grad_noise = empty_if(needs_noise, {members, batch, steps, units});
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const LeakyKernelsOf<T>& leaky = leaky_kernels_of<T>();
    const int64_t packed_size = leaky.backward_packed_size(shape);
    Tensor packed = empty_like_device(input, {shape.members, packed_size});
    const LeakyWeights<T> weights = {weight_ih.const_data_ptr<T>(), weight_hh.const_data_ptr<T>(),
                                     nullptr, static_cast<T>(alpha)};
    for (int64_t member = 0; member < shape.members; ++member)
      leaky.pack_backward(shape, weights, member,
                          packed.mutable_data_ptr<T>() + member * packed_size);
    const int64_t groups = leaky_groups(shape.batch);
    Tensor sums = empty_if(needs_weights, {shape.members, groups, leaky.weight_sums_size(shape)});
    const LeakyBackward<T> task = {shape,
                                   static_cast<T>(1 - alpha),
                                   sequences_of<T>(input),
                                   sequences_of<T>(grad_states),
                                   h0.const_data_ptr<T>(),
                                   states.const_data_ptr<T>(),
                                   packed.const_data_ptr<T>(),
                                   data_or_null<T>(grad_input, needs_input),
                                   data_or_null<T>(grad_h0, needs_h0),
                                   data_or_null<T>(grad_noise, needs_noise),
                                   data_or_null<T>(sums, needs_weights),
                                   groups};
    const int64_t grain = std::max<int64_t>(1, sequence_grain(shape) / kLeakyBlock);
    parallel_items(shape.members * groups, grain, [&](int64_t first, int64_t last) {
      const auto scratch = aligned_zeros<T>(leaky.backward_scratch_size(shape));
      leaky.backward(task, first, last, scratch.get());
    });
    if (!needs_weights) return;
    const LeakyWeightGradients<T> gradients = {
        grad_weight_ih.mutable_data_ptr<T>(), grad_weight_hh.mutable_data_ptr<T>(),
        grad_bias.mutable_data_ptr<T>(), static_cast<T>(alpha)};
    for (int64_t member = 0; member < shape.members; ++member)
      leaky.add_weight_sums(shape, sums.const_data_ptr<T>(), groups, member, gradients);
  });
  return {grad_input, grad_h0, grad_weight_ih, grad_weight_hh, grad_bias, grad_noise};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CPU, library) {
  library.impl("leaky_rnn", TORCH_BOX(&midiff::leaky_rnn));
  library.impl("leaky_rnn_last", TORCH_BOX(&midiff::leaky_rnn_last));
  library.impl("leaky_rnn_backward", TORCH_BOX(&midiff::leaky_rnn_backward));
}
