// The Donsker-Varadhan op: what every device's implementation checks.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "csrc/mine/samples.h"
#include "csrc/ops/checks.h"
#include "csrc/ops/random.h"
#include "csrc/ops/tensors.h"

namespace midiff {

// What the products of float32 numbers may be rounded to where that is faster, as
// torch.get_float32_matmul_precision() has it: "highest", "high", "medium".
enum class MineRounding { kFloat32, kTf32, kBf16 };

// Contiguous, but for samples that lie in rows of something wider.
struct MineArguments {
  Tensor a, b, marginal_b, noise_seeds, permutation, weight_a, bias_a, weight_b, bias_b, weight_h,
      bias_h, weight_out, bias_out;
  bool has_marginal, has_bias_out;
  SampleNoise noise;  // into noise_seeds
  double negative_slope;
  MineRounding rounding;
  int64_t members, samples, a_size, b_size, hidden;
};

// mi, then gradients, in the order of the schema.
using MineResults =
    std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

// Where the rows of a, b or marginal_b are.
template <class T>
SampleRows<T> sample_rows(const Tensor& tensor) {
  const auto strides = tensor.strides();
  return {tensor.const_data_ptr<T>(), strides[0], strides[1]};
}

// All arguments checked against each other, and as MineArguments has them.
inline MineArguments check_mine_arguments(
    const Tensor& a, const Tensor& b, const std::optional<Tensor>& marginal_b,
    const Tensor& permutation, const Tensor& weight_a, const Tensor& bias_a, const Tensor& weight_b,
    const Tensor& bias_b, const Tensor& weight_h, const Tensor& bias_h, const Tensor& weight_out,
    const std::optional<Tensor>& bias_out, double negative_slope,
    const std::optional<Tensor>& noise_seeds, int64_t noise_purpose_a, int64_t noise_purpose_b,
    int64_t noise_step, double noise_std, int64_t rounding) {
  check_shape(a, "a", "[E, S, A]", {kAnySize, kAnySize, kAnySize});
  check_shape(b, "b", "[E, S, B]", {a.size(0), a.size(1), kAnySize});
  check_shape(weight_h, "weight_h", "[E, H, H]", {a.size(0), kAnySize, kAnySize});
  const int64_t members = a.size(0), samples = a.size(1), hidden = weight_h.size(1);
  const int64_t a_size = a.size(2), b_size = b.size(2);
  STD_TORCH_CHECK(samples > 0, "a: expected at least one sample");
  STD_TORCH_CHECK(hidden > 0 && a_size > 0 && b_size > 0,
                  "sizes: expected A, B and H of at least 1, got ", a_size, ", ", b_size, ", ",
                  hidden);
  STD_TORCH_CHECK(negative_slope >= 0 && negative_slope <= 1,
                  "negative_slope: expected 0 to 1, got ", negative_slope);
  STD_TORCH_CHECK(rounding >= 0 && rounding <= 2, "rounding: expected 0 to 2, got ", rounding);
  check_shape(permutation, "permutation", "[E, S]", {members, samples});
  check_dtype(permutation, "permutation", ScalarType::Long);
  check_shape(weight_a, "weight_a", "[E, H, A]", {members, hidden, a_size});
  check_shape(weight_b, "weight_b", "[E, H, B]", {members, hidden, b_size});
  check_shape(weight_h, "weight_h", "[E, H, H]", {members, hidden, hidden});
  check_shape(bias_a, "bias_a", "[E, H]", {members, hidden});
  check_shape(bias_b, "bias_b", "[E, H]", {members, hidden});
  check_shape(bias_h, "bias_h", "[E, H]", {members, hidden});
  check_shape(weight_out, "weight_out", "[E, H]", {members, hidden});
  if (marginal_b) check_shape(*marginal_b, "marginal_b", "[E, S, B]", {members, samples, b_size});
  if (bias_out) check_shape(*bias_out, "bias_out", "[E]", {members});
  SampleNoise noise = {};
  if (noise_seeds) {
    check_random_arguments(*noise_seeds, noise_purpose_a, noise_step, 0);
    check_random_arguments(*noise_seeds, noise_purpose_b, noise_step, 0);
    check_shape(*noise_seeds, "noise_seeds", "[E]", {members});
  }
  const Tensor seeds = noise_seeds ? as_contiguous(*noise_seeds) : permutation;
  if (noise_seeds)
    noise = {seeds.const_data_ptr<int64_t>(), static_cast<uint32_t>(noise_purpose_a),
             static_cast<uint32_t>(noise_purpose_b), static_cast<uint32_t>(noise_step), noise_std};
  const auto floating = [&](const Tensor& tensor, const char* name) {
    check_dtype(tensor, name, a.scalar_type());
    return as_contiguous(tensor);
  };
  const auto rows = [&](const Tensor& tensor, const char* name) {
    check_dtype(tensor, name, a.scalar_type());
    return dense_rows(tensor);
  };
  const Tensor b_ready = rows(b, "b");
  return {rows(a, "a"),
          b_ready,
          marginal_b ? rows(*marginal_b, "marginal_b") : b_ready,
          seeds,
          as_contiguous(permutation),
          floating(weight_a, "weight_a"),
          floating(bias_a, "bias_a"),
          floating(weight_b, "weight_b"),
          floating(bias_b, "bias_b"),
          floating(weight_h, "weight_h"),
          floating(bias_h, "bias_h"),
          floating(weight_out, "weight_out"),
          bias_out ? floating(*bias_out, "bias_out") : weight_out,
          marginal_b.has_value(),
          bias_out.has_value(),
          noise,
          negative_slope,
          static_cast<MineRounding>(rounding),
          members,
          samples,
          a_size,
          b_size,
          hidden};
}

}  // namespace midiff
