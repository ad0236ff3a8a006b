// Donsker-Varadhan in double precision, value and every gradient, and the comparison of a kernel
// with it. Buffers are exactly as long as they must be, so that a read or write beyond is caught.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "csrc/cpu/aligned.h"
#include "tests/cpp/harness.h"
#include "tests/cpp/keyed_numbers.h"

namespace midiff::test {

struct Size {
  int64_t samples, a, b, hidden;
};

template <class T>
std::vector<T> normals(std::mt19937& generator, int64_t count, double std) {
  std::normal_distribution<double> normal(0.0, std);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

enum class Numbers {
  kNormal,
  // Such that neither layer's sums need more than the 8 bits of bf16: rounding then changes no
  // unit's derivative.
  kFewBits,
};

enum class Noise { kNone, kOnPairs, kOnShuffledToo };

template <class T>
struct Problem {
  Size size;
  double slope;
  std::vector<T> a, b, wa, ba, wb, bb, wh, bh, wo;
  std::vector<T> marginal;  // what is shuffled
  std::vector<int64_t> permutation;

  Problem(Size s, double slope_, Numbers numbers = Numbers::kNormal)
      : size(s), slope(slope_), permutation(s.samples) {
    std::mt19937 generator(5);
    const auto make = [&](int64_t count, double std) { return normals<T>(generator, count, std); };
    a = make(s.samples * s.a, 1.0);
    b = make(s.samples * s.b, 1.0);
    wa = make(s.hidden * s.a, 0.5);
    wb = make(s.hidden * s.b, 0.5);
    wh = make(s.hidden * s.hidden, 1.5 / std::sqrt(static_cast<double>(s.hidden)));
    wo = make(s.hidden, 2.0 / std::sqrt(static_cast<double>(s.hidden)));
    for (auto* bias : {&ba, &bb, &bh}) *bias = make(s.hidden, 0.2);
    if (numbers == Numbers::kFewBits) {
      for (auto* values : {&a, &b}) round(*values, 1.0);
      for (auto* values : {&wa, &wb, &ba, &bb, &bh}) round(*values, 0.5);
      round(wh, 0.125);
      round(wo, 0.0625);
    }
    marginal = b;
    std::iota(permutation.begin(), permutation.end(), 0);
    std::shuffle(permutation.begin(), permutation.end(), generator);
  }

  // With the noise that a kernel is asked to draw.
  Problem with_noise(const SampleNoise& noise, bool on_shuffled) const {
    Problem noisy = *this;
    const auto add = [&](std::vector<T>& values, RandomStream stream) {
      for (size_t i = 0; i < values.size(); ++i)
        values[i] += static_cast<T>(noise.std * normal_at(stream, static_cast<int64_t>(i)));
    };
    add(noisy.a, noise.of_a());
    add(noisy.b, noise.of_b());
    if (on_shuffled) noisy.marginal = noisy.b;
    return noisy;
  }

  // To 0 or one step up or down.
  static void round(std::vector<T>& values, double step) {
    for (T& value : values) {
      const double ratio = static_cast<double>(value) / step;
      value = static_cast<T>(ratio > 0.5 ? step : ratio < -0.5 ? -step : 0.0);
    }
  }

  CriticWeights<T> weights() const {
    return {wa.data(), ba.data(), wb.data(), bb.data(), wh.data(), bh.data(), wo.data(), T(0.3)};
  }
};

// The gradients of weight_a, weight_b, first bias, weight_h, bias_h, weight_out, and per pair those
// of its inputs, joint and product.
struct Results {
  double mi = 0;
  std::vector<double> wa, wb, first, wh, bh, wo, joint, product;
};

// The definition, one scalar at a time.
template <class T>
Results define(const Problem<T>& p) {
  const auto [samples, a_size, b_size, hidden] = p.size;
  const int64_t in = a_size + b_size;
  const auto zeros = [](int64_t count) { return std::vector<double>(static_cast<size_t>(count)); };
  Results r = {0,
               zeros(hidden * a_size),
               zeros(hidden * b_size),
               zeros(hidden),
               zeros(hidden * hidden),
               zeros(hidden),
               zeros(hidden),
               zeros(samples * in),
               zeros(samples * in)};
  auto first = zeros(hidden), second = zeros(hidden);
  const auto active = [&](double z) { return z > 0 ? z : p.slope * z; };
  const auto derivative = [&](double z) { return z > 0 ? 1.0 : p.slope; };
  const auto score = [&](int64_t i, int64_t j, const std::vector<T>& b) {
    double sum = static_cast<double>(T(0.3));
    for (int64_t u = 0; u < hidden; ++u) {
      double z = static_cast<double>(p.ba[u]) + p.bb[u];
      for (int64_t q = 0; q < a_size; ++q)
        z += static_cast<double>(p.wa[u * a_size + q]) * p.a[i * a_size + q];
      for (int64_t q = 0; q < b_size; ++q)
        z += static_cast<double>(p.wb[u * b_size + q]) * b[j * b_size + q];
      first[u] = z;
    }
    for (int64_t k = 0; k < hidden; ++k) {
      double z = p.bh[k];
      for (int64_t u = 0; u < hidden; ++u) z += p.wh[k * hidden + u] * active(first[u]);
      second[k] = z;
      sum += p.wo[k] * active(z);
    }
    return sum;
  };
  const auto add_gradients = [&](int64_t i, int64_t j, const std::vector<T>& b, double weight,
                                 double* inputs) {
    score(i, j, b);
    for (int64_t k = 0; k < hidden; ++k) {
      const double delta = weight * p.wo[k] * derivative(second[k]);
      r.bh[k] += delta;
      r.wo[k] += weight * active(second[k]);
      for (int64_t u = 0; u < hidden; ++u) r.wh[k * hidden + u] += delta * active(first[u]);
    }
    for (int64_t u = 0; u < hidden; ++u) {
      double delta = 0;
      for (int64_t k = 0; k < hidden; ++k)
        delta += weight * p.wo[k] * derivative(second[k]) * p.wh[k * hidden + u];
      delta *= derivative(first[u]);
      r.first[u] += delta;
      for (int64_t q = 0; q < a_size; ++q) {
        r.wa[u * a_size + q] += delta * p.a[i * a_size + q];
        inputs[q] += delta * p.wa[u * a_size + q];
      }
      for (int64_t q = 0; q < b_size; ++q) {
        r.wb[u * b_size + q] += delta * b[j * b_size + q];
        inputs[a_size + q] += delta * p.wb[u * b_size + q];
      }
    }
  };
  std::vector<double> product(static_cast<size_t>(samples));
  double sum = 0;
  for (int64_t i = 0; i < samples; ++i) {
    r.mi += score(i, i, p.b) / static_cast<double>(samples);
    product[i] = score(i, p.permutation[i], p.marginal);
    sum += std::exp(product[i]);
  }
  r.mi -= std::log(sum / static_cast<double>(samples));
  for (int64_t i = 0; i < samples; ++i) {
    add_gradients(i, i, p.b, 1.0 / static_cast<double>(samples), &r.joint[i * in]);
    add_gradients(i, p.permutation[i], p.marginal, -std::exp(product[i]) / sum, &r.product[i * in]);
  }
  return r;
}

// Relative to the largest number wanted, or to `floor` where that is less.
template <class Found>
void expect_near(const Found& found, const std::vector<double>& wanted, double tolerance,
                 double floor = 1e-2) {
  double scale = floor, error = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    scale = std::max(scale, std::abs(wanted[i]));
    error = std::max(error, std::abs(static_cast<double>(found[i]) - wanted[i]));
  }
  MF_EXPECT(error < scale * tolerance);
}

// Of MI, absolute; of gradients, as expect_near has it.
struct Tolerance {
  double mi, gradients;
};

template <class T>
void test_size(const MineKernel<T>& kernel, Size size, double slope, int64_t lanes,
               Tolerance tolerance, Numbers numbers = Numbers::kNormal,
               Noise noise = Noise::kNone) {
  const Problem<T> p(size, slope, numbers);
  constexpr int64_t kSeed = 3;
  const bool noisy = noise != Noise::kNone, shuffled_too = noise == Noise::kOnShuffledToo;
  const SampleNoise drawn = {noisy ? &kSeed : nullptr, 6, 7, 2, 0.5};
  const Results wanted = define(noisy ? p.with_noise(drawn, shuffled_too) : p);
  const auto [samples, a_size, b_size, hidden] = size;
  const int64_t in = a_size + b_size;
  for (const bool gradients : {false, true}) {
    const MineShape shape = {a_size, b_size, hidden, gradients, gradients};
    const int64_t chunk = kernel.chunk(shape);
    const auto packed = aligned_memory<T>(kernel.packed_size(shape));
    const auto sums = aligned_memory<T>(kernel.sums_size(shape) * lanes);
    const auto scratch = aligned_memory<T>(kernel.scratch_size(shape));
    std::vector<T> joint(samples * in), product(samples * in);
    std::vector<double> reference((samples + chunk - 1) / chunk);
    const SampleRows<T> a = {p.a.data(), 0, a_size}, b = {p.b.data(), 0, b_size};
    const MineSamples<T> pairs = {samples,
                                  a,
                                  b,
                                  b,
                                  drawn,
                                  shuffled_too,
                                  p.permutation.data(),
                                  static_cast<T>(slope),
                                  joint.data(),
                                  product.data(),
                                  reference.data()};
    kernel.pack(shape, p.weights(), packed.get());
    std::vector<LaneResult> results;
    LogSumExp total;
    double mi = 0;
    const int64_t lane_size = ((samples + chunk - 1) / chunk + lanes - 1) / lanes * chunk;
    for (int64_t first = 0; first < samples; first += lane_size) {
      const int64_t last = std::min(first + lane_size, samples);
      const int64_t lane = static_cast<int64_t>(results.size());
      results.push_back(kernel.lane(shape, pairs, packed.get(), first, last,
                                    sums.get() + lane * kernel.sums_size(shape), scratch.get()));
      mi += results.back().joint_sum / static_cast<double>(samples);
      total.merge(results.back().product);
    }
    mi -= total.value() - std::log(static_cast<double>(samples));
    MF_EXPECT(std::abs(mi - wanted.mi) < tolerance.mi);
    if (!gradients) continue;
    std::vector<T> wa(hidden * a_size), wb(hidden * b_size), first(hidden), wh(hidden * hidden),
        bh(hidden), wo(hidden);
    kernel.gather(shape, samples, packed.get(), static_cast<int64_t>(results.size()),
                  results.data(), sums.get(),
                  {wa.data(), wb.data(), first.data(), wh.data(), bh.data(), wo.data()});
    expect_near(wa, wanted.wa, tolerance.gradients);
    expect_near(wb, wanted.wb, tolerance.gradients);
    // Biases: the joint and the product term are of order one and can cancel.
    expect_near(first, wanted.first, tolerance.gradients, 1.0);
    expect_near(wh, wanted.wh, tolerance.gradients);
    expect_near(bh, wanted.bh, tolerance.gradients, 1.0);
    expect_near(wo, wanted.wo, tolerance.gradients);
    for (int64_t i = 0; i < samples * in; ++i) {
      joint[i] /= static_cast<T>(samples);
      product[i] *= static_cast<T>(-total.share(reference[i / in / chunk]));
    }
    expect_near(joint, wanted.joint, tolerance.gradients);
    expect_near(product, wanted.product, tolerance.gradients);
  }
}

}  // namespace midiff::test
