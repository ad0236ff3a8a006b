// Leaky RNN kernels: forward and backward of every size of block, panel and chunk against a plain
// loop in double precision. Buffers are exactly as long as they must be, so that a read or write
// beyond is caught.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "csrc/cells/leaky.h"
#include "csrc/common/math.h"
#include "csrc/cpu/aligned.h"
#include "tests/cpp/harness.h"

namespace {

using midiff::Kernels;
using midiff::LeakyKernelsOf;
using midiff::LeakyShape;

template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

size_t count(int64_t elements) { return static_cast<size_t>(elements); }

template <class T>
std::vector<T> normals(std::mt19937& generator, int64_t elements, double std) {
  std::normal_distribution<double> normal(0.0, std);
  std::vector<T> values(count(elements));
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

template <class T>
struct Arguments {
  LeakyShape shape;
  T alpha;
  std::vector<T> input, noise, h0, ih, hh, bias, grad_states;

  Arguments(const LeakyShape& s, T alpha_) : shape(s), alpha(alpha_) {
    std::mt19937 generator(11);
    const int64_t sequences = s.sequences(), n = s.units;
    input = normals<T>(generator, sequences * s.steps * s.inputs, 1.0);
    noise = normals<T>(generator, sequences * s.steps * n, 0.1);
    h0 = normals<T>(generator, sequences * n, 1.0);
    ih = normals<T>(generator, s.members * n * s.inputs, 0.4);
    hh = normals<T>(generator, s.members * n * n, 1.0 / std::sqrt(static_cast<double>(n)));
    bias = normals<T>(generator, s.members * n, 0.2);
    grad_states = normals<T>(generator, sequences * s.steps * n, 1.0);
  }
};

struct Results {
  std::vector<double> states, last, input, noise, h0, ih, hh, bias;
};

// The definition, one scalar at a time.
template <class T>
Results define(const Arguments<T>& a) {
  const auto [members, batch, steps, inputs, units] = a.shape;
  const double alpha = a.alpha;
  Results r;
  r.states.resize(a.noise.size());
  r.input.resize(a.input.size());
  r.noise.resize(a.noise.size());
  r.ih.resize(a.ih.size());
  r.hh.resize(a.hh.size());
  r.bias.resize(a.bias.size());
  for (int64_t sequence = 0; sequence < members * batch; ++sequence) {
    const int64_t member = sequence / batch;
    const T* ih = a.ih.data() + member * units * inputs;
    const T* hh = a.hh.data() + member * units * units;
    std::vector<std::vector<double>> x = {
        {a.h0.begin() + sequence * units, a.h0.begin() + (sequence + 1) * units}};
    for (int64_t t = 0; t < steps; ++t) {
      std::vector<double> next(count(units));
      for (int64_t n = 0; n < units; ++n) {
        double drive = a.bias[count(member * units + n)];
        for (int64_t j = 0; j < units; ++j) drive += hh[n * units + j] * std::tanh(x[t][j]);
        for (int64_t i = 0; i < inputs; ++i)
          drive += ih[n * inputs + i] * a.input[(sequence * steps + t) * inputs + i];
        const int64_t at = (sequence * steps + t) * units + n;
        next[n] = midiff::leaky_forward(x[t][n], alpha * drive, double(a.noise[at]), 1 - alpha);
        r.states[at] = next[n];
      }
      x.push_back(next);
    }
    r.last.insert(r.last.end(), x.back().begin(), x.back().end());
    std::vector<double> delta(count(units));
    for (int64_t t = steps; t-- > 0;) {
      for (int64_t n = 0; n < units; ++n) {
        const int64_t at = (sequence * steps + t) * units + n;
        delta[n] += a.grad_states[at];
        r.noise[at] = delta[n];
        r.bias[member * units + n] += alpha * delta[n];
        for (int64_t i = 0; i < inputs; ++i) {
          const int64_t from = (sequence * steps + t) * inputs + i;
          r.ih[(member * units + n) * inputs + i] += alpha * delta[n] * a.input[from];
          r.input[from] += alpha * delta[n] * ih[n * inputs + i];
        }
        for (int64_t j = 0; j < units; ++j)
          r.hh[(member * units + n) * units + j] += alpha * delta[n] * std::tanh(x[t][j]);
      }
      std::vector<double> previous(count(units));
      for (int64_t j = 0; j < units; ++j) {
        double feedback = 0;
        for (int64_t n = 0; n < units; ++n) feedback += alpha * delta[n] * hh[n * units + j];
        const double rate = std::tanh(x[t][j]);
        previous[j] = midiff::leaky_backward(delta[j], rate, feedback, 0.0, 1 - alpha);
      }
      delta = previous;
    }
    r.h0.insert(r.h0.end(), delta.begin(), delta.end());
  }
  return r;
}

template <class T>
void expect_near(const std::vector<T>& got, const std::vector<double>& wanted) {
  MF_EXPECT(got.size() == wanted.size());
  double largest = 1.0, difference = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    MF_EXPECT(std::isfinite(got[i]));
    largest = std::max(largest, std::abs(wanted[i]));
    difference = std::max(difference, std::abs(got[i] - wanted[i]));
  }
  MF_EXPECT(difference < kTolerance<T> * largest);
}

// Runs every work item by itself if `one_by_one`, else all in one call.
template <class T>
void test_size(const LeakyKernelsOf<T>& leaky, const LeakyShape& shape, bool one_by_one) {
  const Arguments<T> a(shape, static_cast<T>(0.3));
  const Results wanted = define(a);
  const int64_t sequences = shape.sequences(), groups = midiff::leaky_groups(shape.batch);
  const int64_t steps = shape.steps, units = shape.units, inputs = shape.inputs;
  const T leak = 1 - a.alpha;
  const midiff::LeakyWeights<T> weights = {a.ih.data(), a.hh.data(), a.bias.data(), a.alpha};
  const midiff::Sequences<T> input = {a.input.data(), shape.batch * steps * inputs, steps * inputs,
                                      inputs};
  const auto rows = [&](const std::vector<T>& values) {
    return midiff::Sequences<T>{values.data(), shape.batch * steps * units, steps * units, units};
  };
  const int64_t forward_size = leaky.forward_packed_size(shape);
  const int64_t backward_size = leaky.backward_packed_size(shape);
  const auto forward_packed = midiff::aligned_zeros<T>(shape.members * forward_size);
  const auto backward_packed = midiff::aligned_zeros<T>(shape.members * backward_size);
  for (int64_t member = 0; member < shape.members; ++member) {
    leaky.pack_forward(shape, weights, member, forward_packed.get() + member * forward_size);
    leaky.pack_backward(shape, weights, member, backward_packed.get() + member * backward_size);
  }
  const auto in_parts = [&](int64_t items, int64_t scratch_size, const auto& work) {
    const int64_t most = one_by_one ? 1 : items;
    for (int64_t first = 0; first < items; first += most) {
      const auto scratch = midiff::aligned_zeros<T>(scratch_size);
      work(first, first + most, scratch.get());
    }
  };

  std::vector<T> states(a.noise.size()), last(a.h0.size());
  const midiff::LeakyForward<T> forward = {shape,         leak,        input,
                                           rows(a.noise), a.h0.data(), forward_packed.get(),
                                           states.data(), last.data()};
  in_parts(sequences, leaky.forward_scratch_size(shape),
           [&](auto... part) { leaky.forward(forward, part...); });
  expect_near(states, wanted.states);
  expect_near(last, wanted.last);

  std::vector<T> grad_input(a.input.size()), grad_h0(a.h0.size()), grad_noise(a.noise.size());
  std::vector<T> sums(count(shape.members * groups * leaky.weight_sums_size(shape)));
  const midiff::LeakyBackward<T> backward = {shape,
                                             leak,
                                             input,
                                             rows(a.grad_states),
                                             a.h0.data(),
                                             states.data(),
                                             backward_packed.get(),
                                             grad_input.data(),
                                             grad_h0.data(),
                                             grad_noise.data(),
                                             sums.data(),
                                             groups};
  in_parts(shape.members * groups, leaky.backward_scratch_size(shape),
           [&](auto... part) { leaky.backward(backward, part...); });
  std::vector<T> ih(a.ih.size()), hh(a.hh.size()), bias(a.bias.size());
  for (int64_t member = 0; member < shape.members; ++member)
    leaky.add_weight_sums(shape, sums.data(), groups, member,
                          {ih.data(), hh.data(), bias.data(), a.alpha});
  expect_near(grad_input, wanted.input);
  expect_near(grad_h0, wanted.h0);
  expect_near(grad_noise, wanted.noise);
  expect_near(ih, wanted.ih);
  expect_near(hh, wanted.hh);
  expect_near(bias, wanted.bias);
}

void test_sizes(const Kernels& kernels) {
  const auto both = [&](const LeakyShape& shape) {
    for (const bool one_by_one : {false, true}) {
      test_size(kernels.leaky.of_float, shape, one_by_one);
      test_size(kernels.leaky.of_double, shape, one_by_one);
    }
  };
  for (int64_t units = 1; units <= 50; ++units) both({1, 2, 3, 2, units});
  for (int64_t batch = 1; batch <= 12; ++batch) both({2, batch, 4, 3, 9});
  for (int64_t inputs = 1; inputs <= 35; inputs += 2) both({1, 3, 3, inputs, 5});
  for (const int64_t steps : {0, 1, 2, 63, 64, 65, 130}) both({1, 3, steps, 2, 5});
  both({2, 170, 2, 1, 3});  // more blocks than groups
  both({1, 6, 5, 4, 100});
}

// Distance to the true value in units of the last place.
template <class T>
double ulps(T got, long double wanted) {
  const T nearest = std::abs(static_cast<T>(wanted));
  const T above = std::nextafter(nearest, std::numeric_limits<T>::infinity());
  return static_cast<double>(std::abs(got - wanted) / (above - nearest));
}

template <class T>
void test_functions() {
  std::mt19937 generator(5);
  std::uniform_real_distribution<double> exponent(-12.0, 4.5), wide(-87.0, 88.0);
  for (int i = 0; i < 200000; ++i) {
    const T x = static_cast<T>(std::exp2(exponent(generator))) * (i % 2 == 0 ? 1 : -1);
    MF_EXPECT(ulps(midiff::tanh(x), std::tanh(static_cast<long double>(x))) < 2.6);
    const T y = static_cast<T>(wide(generator));
    MF_EXPECT(ulps(midiff::exp(y), std::exp(static_cast<long double>(y))) < 1.1);
  }
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const T zero = 0, nan = std::numeric_limits<T>::quiet_NaN();
  MF_EXPECT(midiff::tanh(infinity) == 1 && midiff::tanh(-infinity) == -1);
  MF_EXPECT(midiff::tanh(zero) == 0 && !std::signbit(midiff::tanh(zero)));
  MF_EXPECT(std::signbit(midiff::tanh(-zero)));
  MF_EXPECT(std::isnan(midiff::tanh(nan)) && std::isnan(midiff::exp(nan)));
  MF_EXPECT(midiff::exp(zero) == 1);
  MF_EXPECT(std::isfinite(midiff::exp(infinity)) && midiff::exp(-infinity) < 1e-37);
  const T tiny = std::numeric_limits<T>::denorm_min();
  MF_EXPECT(midiff::tanh(tiny) == tiny);
}

}  // namespace

int main() {
  test_functions<float>();
  test_functions<double>();
  midiff::test::for_each_instruction_set(test_sizes);
}
