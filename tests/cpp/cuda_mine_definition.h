// The Donsker-Varadhan op's definition in double, and its kernels on the emulated device.
//
// Include after tests/cpp/emulated_cuda.h.
#pragma once

#include <limits>
#include <numeric>

#include "csrc/cuda/mine_run.cuh"
#include "tests/cpp/emulated_launch.h"
#include "tests/cpp/keyed_numbers.h"

namespace midiff::test {

struct Shape {
  int64_t members, samples, a_size, b_size, hidden;
  double slope;
  bool marginal;
  double noise = 0;
  double out_scale = 1;  // of w_out: large scores
};

inline constexpr int64_t kSeeds[] = {11, 12};

inline SampleNoise noise_of(const Shape& s) {
  return {s.noise > 0 ? kSeeds : nullptr, 6, 7, 5, s.noise};
}

template <class T>
struct Arguments {
  std::vector<T> a, b, marginal, weight_a, bias_a, weight_b, bias_b, weight_h, bias_h, weight_out;
  std::vector<int64_t> permutation;

  explicit Arguments(const Shape& s) {
    std::mt19937 generator(3);
    const auto numbers = [&](int64_t size, double std) {
      return normals<T>(generator, s.members * size, std);
    };
    a = numbers(s.samples * s.a_size, 1);
    b = numbers(s.samples * s.b_size, 1);
    marginal = numbers(s.samples * s.b_size, 1);
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) b[i] += a[i];  // some information
    weight_a = numbers(s.hidden * s.a_size, 0.6);
    bias_a = numbers(s.hidden, 0.2);
    weight_b = numbers(s.hidden * s.b_size, 0.6);
    bias_b = numbers(s.hidden, 0.2);
    weight_h = numbers(s.hidden * s.hidden, 1 / std::sqrt(static_cast<double>(s.hidden)));
    bias_h = numbers(s.hidden, 0.2);
    weight_out = numbers(s.hidden, s.out_scale / std::sqrt(static_cast<double>(s.hidden)));
    for (int64_t member = 0; member < s.members; ++member) {
      std::vector<int64_t> order(count(s.samples));
      std::iota(order.begin(), order.end(), int64_t{0});
      std::shuffle(order.begin(), order.end(), generator);
      permutation.insert(permutation.end(), order.begin(), order.end());
    }
  }
};

// The samples with their noise, number by number of the members' streams.
template <class T>
Arguments<T> with_noise(const Shape& s, Arguments<T> x) {
  const auto add = [&](std::vector<T>& samples, int64_t size, bool is_a) {
    for (int64_t member = 0; member < s.members; ++member) {
      const SampleNoise noise = noise_of(s).of_member(member);
      const RandomStream stream = is_a ? noise.of_a() : noise.of_b();
      for (int64_t i = 0; i < s.samples * size; ++i) {
        samples[count(member * s.samples * size + i)] +=
            static_cast<T>(s.noise * normal_at(stream, i));
      }
    }
  };
  if (s.noise > 0) {
    add(x.a, s.a_size, true);
    add(x.b, s.b_size, false);
  }
  return x;
}

// mi, then gradients of a, b, marginal, weight_a, bias_first, weight_b, weight_h, bias_h,
// weight_out.
template <class T>
using Results = std::vector<std::vector<T>>;

inline std::vector<int64_t> sizes_of(const Shape& s) {
  return {1,
          s.samples * s.a_size,
          s.samples * s.b_size,
          s.samples * s.b_size,
          s.hidden * s.a_size,
          s.hidden,
          s.hidden * s.b_size,
          s.hidden * s.hidden,
          s.hidden,
          s.hidden};
}

// The definition, pair by pair in double.
template <class T>
Results<double> define(const Shape& s, const Arguments<T>& given) {
  const Arguments<T> x = with_noise(s, given);
  Results<double> out;
  for (const int64_t size : sizes_of(s)) out.emplace_back(count(s.members * size), 0.0);
  const int64_t A = s.a_size, B = s.b_size, H = s.hidden, S = s.samples;
  for (int64_t m = 0; m < s.members; ++m) {
    const auto of = [m](auto& v, int64_t size) { return v.data() + m * size; };
    const auto *wa = of(x.weight_a, H * A), *wb = of(x.weight_b, H * B);
    const auto *wh = of(x.weight_h, H * H), *wo = of(x.weight_out, H);
    const auto *ba = of(x.bias_a, H), *bb = of(x.bias_b, H), *bh = of(x.bias_h, H);
    // T of a pair; its derivatives times `weight` are added where `weight` is not 0.
    const auto pair = [&](int64_t i, int64_t j, bool product, double weight) {
      const T* a = of(x.a, S * A) + i * A;
      const T* b = (product && s.marginal ? of(x.marginal, S * B) : of(x.b, S * B)) + j * B;
      std::vector<double> first(count(H)), second(count(H)), grad(count(H));
      for (int64_t h = 0; h < H; ++h) {
        first[h] = double(ba[h]) + bb[h];
        for (int64_t k = 0; k < A; ++k) first[h] += double(wa[h * A + k]) * a[k];
        for (int64_t k = 0; k < B; ++k) first[h] += double(wb[h * B + k]) * b[k];
      }
      double score = 0;
      for (int64_t h = 0; h < H; ++h) {
        second[h] = bh[h];
        for (int64_t k = 0; k < H; ++k)
          second[h] += wh[h * H + k] * cuda::leaky_relu(first[k], s.slope);
        score += wo[h] * cuda::leaky_relu(second[h], s.slope);
      }
      if (weight == 0) return score;
      for (int64_t h = 0; h < H; ++h) {
        of(out[9], H)[h] += weight * cuda::leaky_relu(second[h], s.slope);
        const double delta = weight * wo[h] * (second[h] > 0 ? 1 : s.slope);
        of(out[8], H)[h] += delta;
        for (int64_t k = 0; k < H; ++k) {
          of(out[7], H * H)[h * H + k] += delta * cuda::leaky_relu(first[k], s.slope);
          grad[k] += delta * wh[h * H + k] * (first[k] > 0 ? 1 : s.slope);
        }
      }
      for (int64_t h = 0; h < H; ++h) {
        of(out[5], H)[h] += grad[h];
        for (int64_t k = 0; k < A; ++k) {
          of(out[4], H * A)[h * A + k] += grad[h] * a[k];
          of(out[1], S * A)[i * A + k] += grad[h] * wa[h * A + k];
        }
        for (int64_t k = 0; k < B; ++k) {
          of(out[6], H * B)[h * B + k] += grad[h] * b[k];
          of(product && s.marginal ? out[3] : out[2], S * B)[j * B + k] += grad[h] * wb[h * B + k];
        }
      }
      return score;
    };
    const int64_t* permutation = of(x.permutation, S);
    double joint = 0, exponentials = 0;
    std::vector<double> scores;
    for (int64_t i = 0; i < S; ++i) {
      joint += pair(i, i, false, 0) / S;
      scores.push_back(pair(i, permutation[i], true, 0));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    for (const double score : scores) exponentials += std::exp(score - largest);
    out[0][count(m)] = joint - largest - std::log(exponentials / S);
    for (int64_t i = 0; i < S; ++i) {
      pair(i, i, false, 1.0 / S);
      pair(i, permutation[i], true, -std::exp(scores[count(i)] - largest) / exponentials);
    }
  }
  return out;
}

struct Wanted {
  bool inputs = true, weights = true;
};

// The op; results that are not wanted are zeros.
template <class T, cuda::Products kProducts>
Results<T> run(const Shape& s, const Arguments<T>& x, const cuda::MineLayout& layout,
               emulated::Order order, Wanted wanted = {}) {
  cuda::MineTask<T> task = {};
  task.layout = layout;
  Results<T> out;
  for (const int64_t size : sizes_of(s)) out.push_back(unwritten<T>(s.members * size));
  task.members = s.members;
  task.slope = static_cast<T>(s.slope);
  task.has_marginal = s.marginal;
  const auto rows = [&](const std::vector<T>& samples, int64_t size) {
    return SampleRows<T>{samples.data(), s.samples * size, size};
  };
  task.a = rows(x.a, s.a_size);
  task.b = rows(x.b, s.b_size);
  task.marginal_b = s.marginal ? rows(x.marginal, s.b_size) : task.b;
  task.noise = noise_of(s);
  task.permutation = x.permutation.data();
  task.weight_a = x.weight_a.data();
  task.bias_a = x.bias_a.data();
  task.weight_b = x.weight_b.data();
  task.bias_b = x.bias_b.data();
  task.weight_h = x.weight_h.data();
  task.bias_h = x.bias_h.data();
  task.weight_out = x.weight_out.data();
  T** results[] = {&task.mi,
                   &task.grad_a,
                   &task.grad_b,
                   &task.grad_marginal_b,
                   &task.grad_weight_a,
                   &task.grad_bias_first,
                   &task.grad_weight_b,
                   &task.grad_weight_h,
                   &task.grad_bias_h,
                   &task.grad_weight_out};
  const auto is_wanted = [&](size_t i) {
    return i == 0 || (i < 4 ? wanted.inputs && (i != 3 || s.marginal) : wanted.weights);
  };
  for (size_t i = 0; i < out.size(); ++i) *results[i] = is_wanted(i) ? out[i].data() : nullptr;
  std::vector<std::vector<unsigned char>> scratch;  // of NaN bytes
  cuda::for_each_scratch(task, [&](auto*& pointer, int64_t size) {
    scratch.emplace_back(count(s.members * size) * sizeof(*pointer), 0xFF);
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(scratch.back().data());
  });
  cuda::run_mine<T, kProducts>(task, [&](auto kernel, int64_t gx, int64_t gy, int64_t gz,
                                         int threads, int64_t shared, const auto&... arguments) {
    emulated::launch(kernel, blocks(gx, gy, gz), {static_cast<unsigned>(threads)}, count(shared),
                     order, arguments...);
  });
  for (size_t i = 0; i < out.size(); ++i)
    if (!is_wanted(i)) out[i].assign(out[i].size(), T(0));
  return out;
}

// The largest relative error, in the Euclidean norm, of a result; of one below 0.1 in size (a
// bias's gradient vanishes where the critic is linear), relative to that.
template <class T>
double error(const Results<T>& got, const Results<double>& wanted) {
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    double whole = 0, difference = 0;
    for (size_t k = 0; k < wanted[i].size(); ++k) {
      MF_EXPECT(std::isfinite(got[i][k]));
      whole += wanted[i][k] * wanted[i][k];
      difference += (got[i][k] - wanted[i][k]) * (got[i][k] - wanted[i][k]);
    }
    worst = std::max(worst, std::sqrt(difference / std::max(whole, 0.01)));
  }
  return worst;
}

inline void check_highest(const Shape& shape, const cuda::MineLayout& layout, double limit) {
  const Arguments<float> x(shape);
  const auto got =
      run<float, cuda::Products::kHighest>(shape, x, layout, emulated::Order::kForward);
  MF_EXPECT(error(got, define(shape, x)) < limit);
}

// With slope 1: rounding a sum near 0 to the other side would change a derivative at one go.
inline void check_high(const Shape& shape, const cuda::MineLayout& layout) {
  const Arguments<float> x(shape);
  const auto got = run<float, cuda::Products::kHigh>(shape, x, layout, emulated::Order::kShuffled);
  const double of_high = error(got, define(shape, x));
  MF_EXPECT(of_high < 3e-3 && of_high > 1e-5);  // and it is not "highest" by mistake
}

// In one unit of the second member: shows in the estimate, and in the gradients of all that it
// feeds. `layout_of` takes the shape.
template <cuda::Products kProducts, class LayoutOf>
void check_not_a_number(const LayoutOf& layout_of) {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false};
  Arguments<float> x(shape);
  x.a[count(shape.samples * shape.a_size) + 4] = std::numeric_limits<float>::quiet_NaN();
  const auto got = run<float, kProducts>(shape, x, layout_of(shape), emulated::Order::kForward);
  MF_EXPECT(std::isfinite(got[0][0]) && std::isnan(got[0][1]));
  for (size_t i = 4; i < got.size(); ++i) {
    const size_t half = got[i].size() / 2;
    for (size_t k = 0; k < half; ++k)
      MF_EXPECT(std::isfinite(got[i][k]) && std::isnan(got[i][half + k]));
  }
}

// Nobody looks at the permutation beforehand: an index out of range is read and written nowhere.
template <cuda::Products kProducts, class LayoutOf>
void check_no_permutation(bool marginal, const LayoutOf& layout_of) {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, marginal, 0.5};
  Arguments<float> x(shape);
  x.permutation[3] = 60;
  x.permutation[60] = -1;
  const auto got = run<float, kProducts>(shape, x, layout_of(shape), emulated::Order::kForward);
  MF_EXPECT(std::isnan(got[0][0]) && std::isnan(got[0][1]));
}

}  // namespace midiff::test
