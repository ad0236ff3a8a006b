// The optimizers' steps on CUDA: the table of tensors around the kernels.
#include "csrc/ops/optimizer.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "csrc/cuda/optimizer.h"
#include "csrc/cuda/torch.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

using cuda::kStepTensors;
using cuda::StepClip;
using cuda::StepTensors;
using Tensors = std::vector<Tensor>;

// The lists of a step, checked; `means` is empty for a rule without them.
struct StepLists {
  Tensors parameters, means, squares, gradients;  // contiguous
  int64_t members;

  StepLists(const Tensors& parameters_, const Tensors& means_, const Tensors& squares_,
            const Tensors& gradients_, bool has_means)
      : parameters(parameters_),
        means(means_),
        squares(squares_),
        members(check_step_parameters(parameters_)) {
    check_members(members, "parameters");
    if (has_means) check_step_list(means, "means", parameters, true);
    check_step_list(squares, "squares", parameters, true);
    check_step_list(gradients_, "gradients", parameters, false);
    for (const Tensor& gradient : gradients_) gradients.push_back(as_contiguous(gradient));
    const auto here = [&](const Tensors& list, const char* name) {
      for (const Tensor& tensor : list) check_same_device(tensor, name, parameters[0]);
    };
    here(parameters, "parameters");
    here(means, "means");
    here(squares, "squares");
    here(gradients, "gradients");
  }

  // The tensors from number `first` on, as many as a launch takes.
  template <class T>
  StepTensors<T> table(size_t first) const {
    StepTensors<T> table = {};
    table.members = members;
    const size_t last = std::min(first + kStepTensors, parameters.size());
    for (size_t i = first; i < last; ++i) {
      const int64_t size = members == 0 ? 0 : parameters[i].numel() / members;
      table.tensor[table.count++] = {parameters[i].mutable_data_ptr<T>(),
                                     gradients[i].const_data_ptr<T>(),
                                     means.empty() ? nullptr : means[i].mutable_data_ptr<T>(),
                                     squares[i].mutable_data_ptr<T>(),
                                     size,
                                     table.parts};
      table.parts += cuda::step_parts(size);
    }
    return table;
  }
};

// rates(zero): the rule's rates in the type of `zero`.
template <class Rates>
void step(const StepLists& lists, std::optional<double> clip_norm, std::optional<double> clip_value,
          const Rates& rates, const char* op) {
  const Tensor& like = lists.parameters[0];
  const CudaCall call(like);
  dispatch_floating(like.scalar_type(), "parameters", [&](auto zero) {
    using T = decltype(zero);
    const StepClip<T> clip = {clip_norm.has_value(), clip_value.has_value(),
                              static_cast<T>(clip_norm.value_or(0)),
                              static_cast<T>(clip_value.value_or(0))};
    for (size_t first = 0; first < lists.parameters.size(); first += kStepTensors) {
      const StepTensors<T> table = lists.table<T>(first);
      const Tensor sums = empty_like_device(like, {clip.by_norm ? table.members * table.parts : 0});
      check_cuda(
          cuda::launch_step(table, clip, rates(zero), sums.mutable_data_ptr<T>(), call.stream()),
          op);
    }
  });
}

void rmsprop_step(Tensors parameters, Tensors squares, Tensors gradients, double rate, double rho,
                  double epsilon, std::optional<double> clip_norm,
                  std::optional<double> clip_value) {
  const StepLists lists(parameters, {}, squares, gradients, false);
  const auto rates = [&](auto zero) {
    using T = decltype(zero);
    return cuda::RMSpropRates<T>{static_cast<T>(rate), static_cast<T>(rho), static_cast<T>(1 - rho),
                                 static_cast<T>(epsilon)};
  };
  step(lists, clip_norm, clip_value, rates, "rmsprop_step");
}

void adam_step(Tensors parameters, Tensors means, Tensors squares, Tensors gradients, double rate,
               double beta1, double beta2, double epsilon, std::optional<double> clip_norm,
               std::optional<double> clip_value) {
  const StepLists lists(parameters, means, squares, gradients, true);
  const auto rates = [&](auto zero) {
    using T = decltype(zero);
    return cuda::AdamRates<T>{static_cast<T>(rate),      static_cast<T>(beta1),
                              static_cast<T>(1 - beta1), static_cast<T>(beta2),
                              static_cast<T>(1 - beta2), static_cast<T>(epsilon)};
  };
  step(lists, clip_norm, clip_value, rates, "adam_step");
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CUDA, library) {
  library.impl("rmsprop_step", TORCH_BOX(&midiff::rmsprop_step));
  library.impl("adam_step", TORCH_BOX(&midiff::adam_step));
}
