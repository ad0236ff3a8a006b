// The Donsker-Varadhan op on the CPU: arguments, memory and threads around the kernel.
#include "csrc/ops/mine.h"

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "csrc/cpu/aligned.h"
#include "csrc/cpu/kernels.h"
#include "csrc/ops/tensors.h"

namespace midiff {
namespace {

// Lanes that a member's samples are cut into: a function of their number alone. Few samples feed
// the cores of a desktop, by lanes of 512 or more (adding them up then costs some 10 % at H = 512);
// from 4096 a lane on it costs under 2 %. More than 32 lanes feed no more cores on the machines
// this is for.
int64_t wished_lanes(int64_t samples) {
  constexpr int64_t kLeastSamples = 512, kLaneSamples = 4096, kFewLanes = 8, kMaxLanes = 32;
  int64_t few = 1;  // a power of two, to divide evenly among cores
  while (few < kFewLanes && 2 * few * kLeastSamples <= samples) few *= 2;
  return std::clamp(samples / kLaneSamples, few, kMaxLanes);
}

// Work items prepared at once for each thread: enough to even out, and bounds the memory of sums.
constexpr int64_t kItemsPerThread = 4;

template <class T>
const MineKernel<T>& kernel(MineRounding rounding) {
  if constexpr (std::is_same_v<T, float>) {
    const MineKernel<float>* rounded = nullptr;
    if (rounding == MineRounding::kBf16) rounded = bf16_mine();
    // Three products for one pay in AMX's tiles alone: by AVX512_BF16 they take longer than
    // float32's.
    if (rounding == MineRounding::kTf32) rounded = split_bf16_mine();
    return rounded != nullptr ? *rounded : kernels().mine.f32;
  } else {
    return kernels().mine.f64;
  }
}

// [E], then gradients in the order of the schema.
struct Results {
  Tensor mi, a, b, marginal_b, weight_a, bias_first, weight_b, weight_h, bias_h, weight_out;
};

void check_permutation(const MineArguments& x) {
  const int64_t* indices = x.permutation.const_data_ptr<int64_t>();
  // Where each member's permutation goes wrong; an exception would lose its message on its way out
  // of a thread.
  std::vector<int64_t> wrong(static_cast<size_t>(x.members), x.samples);
  parallel_items(x.members, 1, [&](int64_t begin, int64_t end) {
    std::vector<bool> seen(static_cast<size_t>(x.samples));
    for (int64_t member = begin; member < end; ++member) {
      seen.assign(seen.size(), false);
      for (int64_t i = 0; i < x.samples; ++i) {
        const int64_t index = indices[member * x.samples + i];
        if (index < 0 || index >= x.samples || seen[static_cast<size_t>(index)]) {
          wrong[static_cast<size_t>(member)] = i;
          break;
        }
        seen[static_cast<size_t>(index)] = true;
      }
    }
  });
  for (int64_t member = 0; member < x.members; ++member) {
    const int64_t i = wrong[static_cast<size_t>(member)];
    STD_TORCH_CHECK(i == x.samples, "permutation: expected every index from 0 to ", x.samples - 1,
                    " once, got ", indices[member * x.samples + (i < x.samples ? i : 0)],
                    " at position ", i, " of member ", member);
  }
}

template <class T>
class DonskerVaradhan {
 public:
  DonskerVaradhan(const MineArguments& x, const Results& out, const MineShape& shape)
      : x_(x),
        out_(out),
        shape_(shape),
        kernel_(kernel<T>(x.rounding)),
        chunk_(kernel_.chunk(shape)) {
    const int64_t chunks = (x.samples + chunk_ - 1) / chunk_;
    const int64_t wish = wished_lanes(x.samples);
    lane_size_ = (chunks + wish - 1) / wish * chunk_;
    lanes_ = (x.samples + lane_size_ - 1) / lane_size_;
  }

  void run() {
    const int64_t threads = torch::stable::get_num_threads();
    const int64_t wave = std::clamp<int64_t>(kItemsPerThread * threads / lanes_, 1,
                                             std::max<int64_t>(x_.members, 1));
    const int64_t input = shape_.input_gradients ? x_.samples * (x_.a_size + x_.b_size) : 0;
    const auto packed = aligned_memory<T>(wave * kernel_.packed_size(shape_));
    const auto sums =
        aligned_memory<T>(shape_.weight_gradients ? wave * lanes_ * kernel_.sums_size(shape_) : 0);
    const auto joint = aligned_memory<T>(wave * input);
    const auto product = aligned_memory<T>(wave * input);
    for (int64_t first = 0; first < x_.members; first += wave) {
      const int64_t count = std::min(wave, x_.members - first);
      std::vector<LaneResult> results(static_cast<size_t>(count * lanes_));
      std::vector<double> reference(static_cast<size_t>(count * chunks()));
      std::vector<MineSamples<T>> samples;
      for (int64_t i = 0; i < count; ++i) {
        samples.push_back(samples_of(first + i));
        samples.back().joint_gradient = joint.get() + i * input;
        samples.back().product_gradient = product.get() + i * input;
        samples.back().product_reference = reference.data() + i * chunks();
      }
      parallel_items(count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          kernel_.pack(shape_, critic_of(first + i),
                       packed.get() + i * kernel_.packed_size(shape_));
      });
      parallel_items(count * lanes_, 1, [&](int64_t begin, int64_t end) {
        const auto scratch = aligned_memory<T>(kernel_.scratch_size(shape_));
        for (int64_t item = begin; item < end; ++item) {
          const int64_t i = item / lanes_, from = item % lanes_ * lane_size_;
          results[static_cast<size_t>(item)] = kernel_.lane(
              shape_, samples[static_cast<size_t>(i)],
              packed.get() + i * kernel_.packed_size(shape_), from,
              std::min(from + lane_size_, x_.samples),
              sums.get() + (shape_.weight_gradients ? item * kernel_.sums_size(shape_) : 0),
              scratch.get());
        }
      });
      parallel_items(count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const LaneResult* found = results.data() + i * lanes_;
          out_.mi.mutable_data_ptr<T>()[first + i] = static_cast<T>(information(found));
          if (shape_.weight_gradients)
            kernel_.gather(shape_, x_.samples, packed.get() + i * kernel_.packed_size(shape_),
                           lanes_, found, sums.get() + i * lanes_ * kernel_.sums_size(shape_),
                           gradients_of(first + i));
        }
      });
      if (shape_.input_gradients)
        for (int64_t i = 0; i < count; ++i)
          gather_inputs(first + i, samples[static_cast<size_t>(i)],
                        product_term(results.data() + i * lanes_));
    }
  }

 private:
  int64_t chunks() const { return (x_.samples + chunk_ - 1) / chunk_; }

  LogSumExp product_term(const LaneResult* found) const {
    LogSumExp total;
    for (int64_t lane = 0; lane < lanes_; ++lane) total.merge(found[lane].product);
    return total;
  }

  double information(const LaneResult* found) const {
    double joint = 0;
    for (int64_t lane = 0; lane < lanes_; ++lane) joint += found[lane].joint_sum;
    const double samples = static_cast<double>(x_.samples);
    return joint / samples - (product_term(found).value() - std::log(samples));
  }

  static const T* at(const Tensor& tensor, int64_t member) {
    return tensor.const_data_ptr<T>() + member * (tensor.numel() / tensor.size(0));
  }

  MineSamples<T> samples_of(int64_t member) const {
    return {x_.samples,
            sample_rows<T>(x_.a).of_member(member),
            sample_rows<T>(x_.b).of_member(member),
            sample_rows<T>(x_.marginal_b).of_member(member),
            x_.noise.of_member(member),
            x_.noise && !x_.has_marginal,
            x_.permutation.const_data_ptr<int64_t>() + member * x_.samples,
            static_cast<T>(x_.negative_slope),
            nullptr,
            nullptr,
            nullptr};
  }

  CriticWeights<T> critic_of(int64_t member) const {
    return {at(x_.weight_a, member),   at(x_.bias_a, member),
            at(x_.weight_b, member),   at(x_.bias_b, member),
            at(x_.weight_h, member),   at(x_.bias_h, member),
            at(x_.weight_out, member), x_.has_bias_out ? *at(x_.bias_out, member) : T(0)};
  }

  CriticGradients<T> gradients_of(int64_t member) const {
    const auto to = [&](const Tensor& tensor) {
      return tensor.mutable_data_ptr<T>() + member * (tensor.numel() / tensor.size(0));
    };
    return {to(out_.weight_a), to(out_.weight_b), to(out_.bias_first),
            to(out_.weight_h), to(out_.bias_h),   to(out_.weight_out)};
  }

  // Joint parts count 1 / S, product parts exp(their reference) / sum of exp; the product part of
  // pair i belongs to row i of a and to row permutation[i] of what was shuffled.
  void gather_inputs(int64_t member, const MineSamples<T>& samples,
                     const LogSumExp& product_term) const {
    const int64_t a_size = x_.a_size, b_size = x_.b_size, in = a_size + b_size;
    T* grad_a = out_.a.mutable_data_ptr<T>() + member * x_.samples * a_size;
    T* grad_b = out_.b.mutable_data_ptr<T>() + member * x_.samples * b_size;
    T* grad_shuffled = x_.has_marginal
                           ? out_.marginal_b.mutable_data_ptr<T>() + member * x_.samples * b_size
                           : grad_b;
    const T joint_share = static_cast<T>(1.0 / static_cast<double>(x_.samples));
    const auto product_share = [&](int64_t i) {
      return static_cast<T>(product_term.share(samples.product_reference[i / chunk_]));
    };
    constexpr int64_t kGrain = 1024;
    parallel_items(x_.samples, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* joint = samples.joint_gradient + i * in;
        const T* product = samples.product_gradient + i * in;
        const T share = product_share(i);
        for (int64_t q = 0; q < a_size; ++q)
          grad_a[i * a_size + q] = joint[q] * joint_share - product[q] * share;
        for (int64_t q = 0; q < b_size; ++q)
          grad_b[i * b_size + q] = joint[a_size + q] * joint_share;
      }
    });
    parallel_items(x_.samples, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* product = samples.product_gradient + i * in + a_size;
        T* row = grad_shuffled + samples.permutation[i] * b_size;
        const T share = product_share(i);
        for (int64_t q = 0; q < b_size; ++q)
          row[q] = (x_.has_marginal ? T(0) : row[q]) - product[q] * share;
      }
    });
  }

  const MineArguments& x_;
  const Results& out_;
  const MineShape shape_;
  const MineKernel<T>& kernel_;
  const int64_t chunk_;
  int64_t lane_size_, lanes_;
};

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
  for (const Tensor* tensor :
       {&x.b, &x.marginal_b, &x.permutation, &x.noise_seeds, &x.weight_a, &x.bias_a, &x.weight_b,
        &x.bias_b, &x.weight_h, &x.bias_h, &x.weight_out})
    check_cpu(*tensor, "argument");
  check_permutation(x);
  const auto like = [&](const Tensor& tensor, bool wanted) {
    return wanted ? torch::stable::empty_like(tensor) : empty_like_device(a, {0});
  };
  const auto like_samples = [&](int64_t size, bool wanted) {
    return wanted ? empty_like_device(a, {x.members, x.samples, size}) : empty_like_device(a, {0});
  };
  const Results out = {empty_like_device(a, {x.members}),
                       like_samples(x.a_size, input_gradients),
                       like_samples(x.b_size, input_gradients),
                       like_samples(x.b_size, input_gradients && x.has_marginal),
                       like(x.weight_a, weight_gradients),
                       like(x.bias_a, weight_gradients),
                       like(x.weight_b, weight_gradients),
                       like(x.weight_h, weight_gradients),
                       like(x.bias_h, weight_gradients),
                       like(x.weight_out, weight_gradients)};
  if (x.members > 0)
    dispatch_floating(a.scalar_type(), "a", [&](auto zero) {
      const MineShape shape = {x.a_size, x.b_size, x.hidden, weight_gradients, input_gradients};
      DonskerVaradhan<decltype(zero)>(x, out, shape).run();
    });
  return {out.mi,         out.a,        out.b,        out.marginal_b, out.weight_a,
          out.bias_first, out.weight_b, out.weight_h, out.bias_h,     out.weight_out};
}

}  // namespace
}  // namespace midiff

STABLE_TORCH_LIBRARY_IMPL(midiff, CPU, library) {
  library.impl("donsker_varadhan", TORCH_BOX(&midiff::donsker_varadhan));
}
