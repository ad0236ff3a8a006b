// The GRU on CUDA: allocation around the kernels.
#include "csrc/ops/gru.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "csrc/cuda/gru.h"
#include "csrc/cuda/torch.h"
#include "csrc/cuda/weight_sums.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

using cuda::GruChunkTask;
using cuda::GruForwardTask;
using cuda::GruRecord;

// Steps of a chunk of the backward pass: some 64 MB of gates for a member in float32. It depends on
// the member's own shape alone, so its gradients do not depend on the ensemble.
int64_t chunk_steps(const GruShape& shape) {
  constexpr int64_t kRecords = 4 << 20;
  constexpr int64_t kLeast = 32;
  const int64_t fitting = kRecords / std::max<int64_t>(1, shape.batch * shape.units);
  return std::max(kLeast, fitting);
}

GruShape checked(const Tensor& input, const Tensor& h0, const Tensor& weight_ih,
                 const Tensor& weight_hh, const Tensor& bias_ih, const Tensor& bias_hh) {
  check_same_device(h0, "h0", input);
  check_same_device(weight_ih, "weight_ih", input);
  check_same_device(weight_hh, "weight_hh", input);
  check_same_device(bias_ih, "bias_ih", input);
  check_same_device(bias_hh, "bias_hh", input);
  const GruShape shape = check_gru_arguments(input, h0, weight_ih, weight_hh, bias_ih, bias_hh);
  check_members(shape.members, "weight_hh");
  return shape;
}

// What both directions use, contiguous.
struct Arguments {
  GruShape shape;
  CudaCall call;
  Tensor input, h0, weight_ih, weight_hh, bias_ih, bias_hh;

  Arguments(const Tensor& input_, const Tensor& h0_, const Tensor& weight_ih_,
            const Tensor& weight_hh_, const Tensor& bias_ih_, const Tensor& bias_hh_)
      : shape(checked(input_, h0_, weight_ih_, weight_hh_, bias_ih_, bias_hh_)),
        call(input_),
        input(as_contiguous(input_)),
        h0(as_contiguous(h0_)),
        weight_ih(as_contiguous(weight_ih_)),
        weight_hh(as_contiguous(weight_hh_)),
        bias_ih(as_contiguous(bias_ih_)),
        bias_hh(as_contiguous(bias_hh_)) {}

  template <class T>
  cuda::GruWeights<T> weights() const {
    return {weight_ih.const_data_ptr<T>(), weight_hh.const_data_ptr<T>(),
            bias_ih.const_data_ptr<T>(), bias_hh.const_data_ptr<T>()};
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
    T* target = result.mutable_data_ptr<T>();
    const GruForwardTask<T> task = {shape,
                                    arguments.weights<T>(),
                                    input.const_data_ptr<T>(),
                                    arguments.h0.const_data_ptr<T>(),
                                    keep_all ? target : nullptr,
                                    keep_all ? nullptr : target};
    check_cuda(cuda::launch_gru_forward(task, arguments.call.stream()), "gru");
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
  check_same_device(states_, "states", input);
  check_same_device(grad_states_, "grad_states", input);
  const Tensor grad_states = as_contiguous(grad_states_), states = as_contiguous(states_);
  const auto [members, batch, steps, inputs, units] = shape;
  const int64_t longest = std::min(steps, chunk_steps(shape));
  const auto empty_if = [&](bool wanted, std::initializer_list<int64_t> axes) {
    return wanted ? empty_like_device(input, axes) : empty_like_device(input, {0});
  };
  const bool empty = shape.sequences() == 0 || steps == 0;
  Tensor grad_input = empty_if(needs_input, {members, batch, steps, inputs});
  Tensor carry = empty_like_device(input, {members, batch, units});
  Tensor records = empty_like_device(input, {members, batch, longest, 4 * units});
  Tensor sums = empty_if(needs_weights, {members, 4 * units, shape.sources()});
  Tensor partial = empty_if(
      needs_weights, {members, cuda::sum_chunks(batch * longest), 4 * units, shape.sources()});
  Tensor grad_ih = empty_if(needs_weights, {members, 3 * units, inputs});
  Tensor grad_hh = empty_if(needs_weights, {members, 3 * units, units});
  Tensor grad_bias_ih = empty_if(needs_weights, {members, 3 * units});
  Tensor grad_bias_hh = empty_if(needs_weights, {members, 3 * units});
  if (empty) {
    torch::stable::zero_(carry);
    torch::stable::zero_(sums);
  }
  dispatch_floating(dtype, "input", [&](auto zero) {
    using T = decltype(zero);
    const auto pointer_if = [](const Tensor& tensor, bool wanted) {
      return wanted ? tensor.mutable_data_ptr<T>() : nullptr;
    };
    for (int64_t end = empty ? 0 : steps; end > 0; end -= std::min(end, longest)) {
      const int64_t count = std::min(end, longest);
      const GruChunkTask<T> task = {shape,
                                    arguments.weights<T>(),
                                    input.const_data_ptr<T>(),
                                    arguments.h0.const_data_ptr<T>(),
                                    states.const_data_ptr<T>(),
                                    grad_states.const_data_ptr<T>(),
                                    end - count,
                                    count,
                                    reinterpret_cast<GruRecord<T>*>(records.mutable_data_ptr<T>()),
                                    carry.mutable_data_ptr<T>(),
                                    end == steps,
                                    pointer_if(grad_input, needs_input),
                                    pointer_if(partial, needs_weights),
                                    pointer_if(sums, needs_weights)};
      check_cuda(cuda::launch_gru_chunk(task, arguments.call.stream()), "gru_backward");
    }
    if (!needs_weights) return;
    const cuda::GruCollectTask<T> task = {shape,
                                          sums.const_data_ptr<T>(),
                                          grad_ih.mutable_data_ptr<T>(),
                                          grad_hh.mutable_data_ptr<T>(),
                                          grad_bias_ih.mutable_data_ptr<T>(),
                                          grad_bias_hh.mutable_data_ptr<T>()};
    check_cuda(cuda::launch_gru_collect(task, arguments.call.stream()), "gru_backward");
  });
  return {grad_input,   needs_h0 ? carry : empty_like_device(input, {0}),
          grad_ih,      grad_hh,
          grad_bias_ih, grad_bias_hh};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("gru", TORCH_BOX(&midiff::all_states));
  library.impl("gru_last", TORCH_BOX(&midiff::last_state));
  library.impl("gru_backward", TORCH_BOX(&midiff::gradients));
}
