// The GRU on the CPU: allocation, packed weights and threads around the kernels.
#include "csrc/ops/gru.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "csrc/cpu/aligned.h"
#include "csrc/cpu/kernels.h"
#include "csrc/cpu/sequence_tensors.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

template <class T>
const GruKernelsOf<T>& gru_kernels_of() {
  if constexpr (std::is_same_v<T, float>)
    return kernels().gru.of_float;
  else
    return kernels().gru.of_double;
}

// Sequences worth a thread of their own: some 20 µs of work.
int64_t sequence_grain(const GruShape& shape) {
  constexpr int64_t kProducts = 1 << 18;
  return std::max<int64_t>(
      1, kProducts / std::max<int64_t>(1, 3 * shape.steps * shape.units * shape.sources()));
}

// What both directions use, contiguous where the kernels want it.
struct Arguments {
  GruShape shape;
  Tensor input, h0, weight_ih, weight_hh, bias_ih, bias_hh;

  Arguments(const Tensor& input_, const Tensor& h0_, const Tensor& weight_ih_,
            const Tensor& weight_hh_, const Tensor& bias_ih_, const Tensor& bias_hh_)
      : shape(check_gru_arguments(input_, h0_, weight_ih_, weight_hh_, bias_ih_, bias_hh_)),
        input(dense_rows(input_)),
        h0(as_contiguous(h0_)),
        weight_ih(as_contiguous(weight_ih_)),
        weight_hh(as_contiguous(weight_hh_)),
        bias_ih(as_contiguous(bias_ih_)),
        bias_hh(as_contiguous(bias_hh_)) {}

  // The weights of every member, packed by pack(shape, weights, member, target) into `size`
  // elements each.
  template <class T, class Pack>
  Tensor packed(int64_t size, const Pack& pack) const {
    const GruWeights<T> weights = {weight_ih.const_data_ptr<T>(), weight_hh.const_data_ptr<T>(),
                                   bias_ih.const_data_ptr<T>(), bias_hh.const_data_ptr<T>()};
    Tensor result = empty_like_device(input, {shape.members, size});
    for (int64_t member = 0; member < shape.members; ++member)
      pack(shape, weights, member, result.mutable_data_ptr<T>() + member * size);
    return result;
  }
};

// Returns the states [E, B, T, H], or the last ones [E, B, H].
Tensor forward(const Arguments& arguments, bool keep_all) {
  const GruShape& shape = arguments.shape;
  const Tensor& input = arguments.input;
  Tensor result =
      keep_all ? empty_like_device(input, {shape.members, shape.batch, shape.steps, shape.units})
               : empty_like_device(input, {shape.members, shape.batch, shape.units});
  dispatch_floating(input.scalar_type(), "input", [&](auto zero) {
    using T = decltype(zero);
    const GruKernelsOf<T>& gru = gru_kernels_of<T>();
    const Tensor gates = arguments.packed<T>(gru.gates_size(shape), gru.pack_gates);
    const GruForward<T> task = {shape,
                                sequences_of<T>(input),
                                arguments.h0.const_data_ptr<T>(),
                                gates.const_data_ptr<T>(),
                                data_or_null<T>(result, keep_all),
                                data_or_null<T>(result, !keep_all)};
    parallel_items(shape.sequences(), sequence_grain(shape), [&](int64_t first, int64_t last) {
      const auto scratch = aligned_zeros<T>(gru.forward_scratch_size(shape));
      gru.forward(task, first, last, scratch.get());
    });
  });
  return result;
}

Tensor all_states(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                  const Tensor& weight_hh, const Tensor& bias_ih, const Tensor& bias_hh) {
  return forward({input, h0, weight_ih, weight_hh, bias_ih, bias_hh}, true);
}

Tensor last_state(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                  const Tensor& weight_hh, const Tensor& bias_ih, const Tensor& bias_hh) {
  return forward({input, h0, weight_ih, weight_hh, bias_ih, bias_hh}, false);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> gradients(
    const Tensor& grad_states_, const Tensor& states_, const Tensor& input_, const Tensor& h0_,
    const Tensor& weight_ih_, const Tensor& weight_hh_, const Tensor& bias_ih_,
    const Tensor& bias_hh_, bool needs_input, bool needs_h0, bool needs_weights) {
  const Arguments arguments(input_, h0_, weight_ih_, weight_hh_, bias_ih_, bias_hh_);
  const GruShape& shape = arguments.shape;
  const Tensor& input = arguments.input;
  const ScalarType dtype = input.scalar_type();
  check_gru_states(states_, "states", shape, dtype);
  check_gru_states(grad_states_, "grad_states", shape, dtype);
  const Tensor grad_states = dense_rows(grad_states_), states = as_contiguous(states_);
  const auto [members, batch, steps, inputs, units] = shape;
  const auto empty_if = [&](bool wanted, std::initializer_list<int64_t> axes) {
    return wanted ? empty_like_device(input, axes) : empty_like_device(input, {0});
  };
  Tensor grad_input = empty_if(needs_input, {members, batch, steps, inputs});
  Tensor grad_h0 = empty_if(needs_h0, {members, batch, units});
  Tensor grad_weight_ih = empty_if(needs_weights, {members, 3 * units, inputs});
  Tensor grad_weight_hh = empty_if(needs_weights, {members, 3 * units, units});
  Tensor grad_bias_ih = empty_if(needs_weights, {members, 3 * units});
  Tensor grad_bias_hh = empty_if(needs_weights, {members, 3 * units});
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const GruKernelsOf<T>& gru = gru_kernels_of<T>();
    const Tensor gates = arguments.packed<T>(gru.gates_size(shape), gru.pack_gates);
    const Tensor feedback = arguments.packed<T>(gru.feedback_size(shape), gru.pack_feedback);
    const int64_t groups = gru_groups(shape.batch);
    Tensor sums = empty_if(needs_weights, {shape.members, groups, gru.weight_sums_size(shape)});
    const GruBackward<T> task = {shape,
                                 sequences_of<T>(input),
                                 sequences_of<T>(grad_states),
                                 arguments.h0.const_data_ptr<T>(),
                                 states.const_data_ptr<T>(),
                                 gates.const_data_ptr<T>(),
                                 feedback.const_data_ptr<T>(),
                                 data_or_null<T>(grad_input, needs_input),
                                 data_or_null<T>(grad_h0, needs_h0),
                                 data_or_null<T>(sums, needs_weights),
                                 groups};
    parallel_items(shape.members * groups, 1 + sequence_grain(shape) / 8,
                   [&](int64_t first, int64_t last) {
                     const auto scratch = aligned_zeros<T>(gru.backward_scratch_size(shape));
                     gru.backward(task, first, last, scratch.get());
                   });
    if (!needs_weights) return;
    const GruWeightGradients<T> of_weights = {
        grad_weight_ih.mutable_data_ptr<T>(), grad_weight_hh.mutable_data_ptr<T>(),
        grad_bias_ih.mutable_data_ptr<T>(), grad_bias_hh.mutable_data_ptr<T>()};
    for (int64_t member = 0; member < shape.members; ++member)
      gru.add_weight_sums(shape, sums.const_data_ptr<T>(), groups, member, of_weights);
  });
  return {grad_input, grad_h0, grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CPU, library) {
  library.impl("gru", TORCH_BOX(&midiff::all_states));
  library.impl("gru_last", TORCH_BOX(&midiff::last_state));
  library.impl("gru_backward", TORCH_BOX(&midiff::gradients));
}
