// GRU kernels: forward and backward of every size of block, panel and chunk against a plain loop in
// double precision. Buffers are exactly as long as they must be, so that a read or write beyond is
// caught.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "csrc/common/math.h"
#include "csrc/cpu/aligned.h"
#include "tests/cpp/gru_definition.h"
#include "tests/cpp/harness.h"

namespace {

using midiff::GruKernelsOf;
using midiff::GruShape;
using midiff::Kernels;
using midiff::test::count;
using midiff::test::expect_near;

// Runs every work item by itself if `one_by_one`, else all in one call.
template <class T>
void test_size(const GruKernelsOf<T>& gru, const GruShape& shape, bool one_by_one) {
  const midiff::test::GruArguments<T> a(shape);
  const midiff::test::GruResults wanted = midiff::test::define(a);
  const int64_t sequences = shape.sequences(), groups = midiff::gru_groups(shape.batch);
  const int64_t steps = shape.steps, units = shape.units, inputs = shape.inputs;
  const midiff::GruWeights<T> weights = {a.ih.data(), a.hh.data(), a.bias_ih.data(),
                                         a.bias_hh.data()};
  const midiff::Sequences<T> input = {a.input.data(), shape.batch * steps * inputs, steps * inputs,
                                      inputs};
  const midiff::Sequences<T> grad_states = {a.grad_states.data(), shape.batch * steps * units,
                                            steps * units, units};
  const auto gates = midiff::aligned_zeros<T>(shape.members * gru.gates_size(shape));
  const auto feedback = midiff::aligned_zeros<T>(shape.members * gru.feedback_size(shape));
  for (int64_t member = 0; member < shape.members; ++member) {
    gru.pack_gates(shape, weights, member, gates.get() + member * gru.gates_size(shape));
    gru.pack_feedback(shape, weights, member, feedback.get() + member * gru.feedback_size(shape));
  }
  const auto in_parts = [&](int64_t items, int64_t scratch_size, const auto& work) {
    const int64_t most = one_by_one ? 1 : items;
    for (int64_t first = 0; first < items; first += most) {
      const auto scratch = midiff::aligned_zeros<T>(scratch_size);
      work(first, first + most, scratch.get());
    }
  };

  std::vector<T> states(a.grad_states.size()), last(a.h0.size());
  const midiff::GruForward<T> forward = {shape,       input,         a.h0.data(),
                                         gates.get(), states.data(), last.data()};
  in_parts(sequences, gru.forward_scratch_size(shape),
           [&](auto... part) { gru.forward(forward, part...); });
  expect_near(states, wanted.states);
  expect_near(last, wanted.last);

  std::vector<T> grad_input(a.input.size()), grad_h0(a.h0.size());
  std::vector<T> sums(count(shape.members * groups * gru.weight_sums_size(shape)));
  const midiff::GruBackward<T> backward = {
      shape,          input,       grad_states,    a.h0.data(),
      states.data(),  gates.get(), feedback.get(), grad_input.data(),
      grad_h0.data(), sums.data(), groups};
  in_parts(shape.members * groups, gru.backward_scratch_size(shape),
           [&](auto... part) { gru.backward(backward, part...); });
  std::vector<T> ih(a.ih.size()), hh(a.hh.size());
  std::vector<T> bias_ih(a.bias_ih.size()), bias_hh(a.bias_hh.size());
  for (int64_t member = 0; member < shape.members; ++member)
    gru.add_weight_sums(shape, sums.data(), groups, member,
                        {ih.data(), hh.data(), bias_ih.data(), bias_hh.data()});
  expect_near(grad_input, wanted.input);
  expect_near(grad_h0, wanted.h0);
  expect_near(ih, wanted.ih);
  expect_near(hh, wanted.hh);
  expect_near(bias_ih, wanted.bias_ih);
  expect_near(bias_hh, wanted.bias_hh);
}

void test_sizes(const Kernels& kernels) {
  const auto both = [&](const GruShape& shape) {
    for (const bool one_by_one : {false, true}) {
      test_size(kernels.gru.of_float, shape, one_by_one);
      test_size(kernels.gru.of_double, shape, one_by_one);
    }
  };
  for (int64_t units = 1; units <= 50; ++units) both({1, 2, 3, 2, units});
  for (int64_t batch = 1; batch <= 18; ++batch) both({2, batch, 4, 3, 9});
  for (int64_t inputs = 1; inputs <= 35; inputs += 2) both({1, 3, 3, inputs, 5});
  for (const int64_t steps : {0, 1, 2, 60, 130}) both({1, 3, steps, 2, 5});
  both({2, 400, 2, 1, 3});   // groups of more than one team
  both({1, 6, 40, 4, 100});  // several chunks
}

// Distance to the true value in units of the last place.
template <class T>
double ulps(T got, long double wanted) {
  const T nearest = std::abs(static_cast<T>(wanted));
  const T above = std::nextafter(nearest, std::numeric_limits<T>::infinity());
  return static_cast<double>(std::abs(got - wanted) / (above - nearest));
}

template <class T>
void test_logistic_function() {
  std::mt19937 generator(5);
  std::uniform_real_distribution<double> narrow(-9.0, 9.0), wide(-87.0, 87.0);
  for (int i = 0; i < 200000; ++i) {
    const T x = static_cast<T>(i % 2 == 0 ? narrow(generator) : wide(generator));
    const long double wanted = 1 / (1 + std::exp(-static_cast<long double>(x)));
    MF_EXPECT(ulps(midiff::sigmoid(x), wanted) < 2.6);
  }
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const T zero = 0, half = static_cast<T>(0.5), nan = std::numeric_limits<T>::quiet_NaN();
  MF_EXPECT(midiff::sigmoid(zero) == half && midiff::sigmoid(infinity) == 1);
  MF_EXPECT(midiff::sigmoid(-infinity) >= 0 && midiff::sigmoid(-infinity) < 1e-37);
  MF_EXPECT(std::isnan(midiff::sigmoid(nan)));
}

}  // namespace

int main() {
  test_logistic_function<float>();
  test_logistic_function<double>();
  midiff::test::for_each_instruction_set(test_sizes);
}
