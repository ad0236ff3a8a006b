// Leaky RNN kernels: forward and backward of every size of block, panel and chunk against a plain
// loop in double precision. Buffers are exactly as long as they must be, so that a read or write
// beyond is caught.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "csrc/common/math.h"
#include "csrc/cpu/aligned.h"
#include "tests/cpp/harness.h"
#include "tests/cpp/leaky_definition.h"

namespace {

using midiff::Kernels;
using midiff::LeakyKernelsOf;
using midiff::LeakyShape;
using midiff::test::count;
using midiff::test::expect_near;

// Runs every work item by itself if `one_by_one`, else all in one call.
template <class T>
void test_size(const LeakyKernelsOf<T>& leaky, const LeakyShape& shape, bool one_by_one) {
  const midiff::test::LeakyArguments<T> a(shape, static_cast<T>(0.3));
  const midiff::test::LeakyResults wanted = midiff::test::define(a);
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
