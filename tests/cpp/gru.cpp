// GRU kernels: forward and backward of every size of block, panel and chunk against a plain loop in
// double precision. Buffers are exactly as long as they must be, so that a read or write beyond is
// caught.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "csrc/cells/gru.h"
#include "csrc/common/math.h"
#include "csrc/cpu/aligned.h"
#include "tests/cpp/harness.h"

namespace {

using midiff::GruKernelsOf;
using midiff::GruShape;
using midiff::Kernels;

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
  GruShape shape;
  std::vector<T> input, h0, ih, hh, bias_ih, bias_hh, grad_states;

  explicit Arguments(const GruShape& s) : shape(s) {
    std::mt19937 generator(11);
    const int64_t sequences = s.sequences(), rows = 3 * s.members * s.units;
    input = normals<T>(generator, sequences * s.steps * s.inputs, 1.0);
    h0 = normals<T>(generator, sequences * s.units, 1.0);
    ih = normals<T>(generator, rows * s.inputs, 0.4);
    hh = normals<T>(generator, rows * s.units, 1.0 / std::sqrt(static_cast<double>(s.units)));
    bias_ih = normals<T>(generator, rows, 0.2);
    bias_hh = normals<T>(generator, rows, 0.2);
    grad_states = normals<T>(generator, sequences * s.steps * s.units, 1.0);
  }
};

struct Results {
  std::vector<double> states, last, input, h0, ih, hh, bias_ih, bias_hh;
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// The definition, one scalar at a time.
template <class T>
Results define(const Arguments<T>& a) {
  const auto [members, batch, steps, inputs, units] = a.shape;
  Results r;
  r.states.resize(a.grad_states.size());
  r.input.resize(a.input.size());
  r.ih.resize(a.ih.size());
  r.hh.resize(a.hh.size());
  r.bias_ih.resize(a.bias_ih.size());
  r.bias_hh.resize(a.bias_hh.size());
  for (int64_t sequence = 0; sequence < members * batch; ++sequence) {
    const int64_t first_row = sequence / batch * 3 * units;
    std::vector<std::vector<double>> h = {
        {a.h0.begin() + sequence * units, a.h0.begin() + (sequence + 1) * units}};
    // The gates of all steps, and the candidate's state part, [T, H] each.
    std::vector<double> resets, updates, candidates, state_parts;
    for (int64_t t = 0; t < steps; ++t) {
      const T* i = a.input.data() + (sequence * steps + t) * inputs;
      std::vector<double> next(count(units));
      for (int64_t n = 0; n < units; ++n) {
        double from_input[3], from_state[3];
        for (int64_t gate = 0; gate < 3; ++gate) {
          const int64_t row = first_row + gate * units + n;
          from_input[gate] = a.bias_ih[row];
          from_state[gate] = a.bias_hh[row];
          for (int64_t k = 0; k < inputs; ++k) from_input[gate] += a.ih[row * inputs + k] * i[k];
          for (int64_t j = 0; j < units; ++j) from_state[gate] += a.hh[row * units + j] * h[t][j];
        }
        const double reset = logistic(from_input[0] + from_state[0]);
        const double update = logistic(from_input[1] + from_state[1]);
        const double candidate = std::tanh(from_input[2] + reset * from_state[2]);
        next[n] = (1 - update) * candidate + update * h[t][n];
        r.states[(sequence * steps + t) * units + n] = next[n];
        resets.push_back(reset);
        updates.push_back(update);
        candidates.push_back(candidate);
        state_parts.push_back(from_state[2]);
      }
      h.push_back(next);
    }
    r.last.insert(r.last.end(), h.back().begin(), h.back().end());
    std::vector<double> delta(count(units));
    for (int64_t t = steps; t-- > 0;) {
      const T* i = a.input.data() + (sequence * steps + t) * inputs;
      std::vector<double> previous(count(units));
      for (int64_t n = 0; n < units; ++n) {
        delta[n] += a.grad_states[(sequence * steps + t) * units + n];
        const double reset = resets[t * units + n], update = updates[t * units + n];
        const double candidate = candidates[t * units + n];
        const double grad_candidate = delta[n] * (1 - update) * (1 - candidate * candidate);
        const double grad_input[3] = {
            grad_candidate * state_parts[t * units + n] * reset * (1 - reset),
            delta[n] * (h[t][n] - candidate) * update * (1 - update), grad_candidate};
        const double grad_state[3] = {grad_input[0], grad_input[1], grad_candidate * reset};
        previous[n] += delta[n] * update;
        for (int64_t gate = 0; gate < 3; ++gate) {
          const int64_t row = first_row + gate * units + n;
          r.bias_ih[row] += grad_input[gate];
          r.bias_hh[row] += grad_state[gate];
          for (int64_t k = 0; k < inputs; ++k) {
            r.ih[row * inputs + k] += grad_input[gate] * i[k];
            r.input[(sequence * steps + t) * inputs + k] +=
                grad_input[gate] * a.ih[row * inputs + k];
          }
          for (int64_t j = 0; j < units; ++j) {
            r.hh[row * units + j] += grad_state[gate] * h[t][j];
            previous[j] += grad_state[gate] * a.hh[row * units + j];
          }
        }
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
void test_size(const GruKernelsOf<T>& gru, const GruShape& shape, bool one_by_one) {
  const Arguments<T> a(shape);
  const Results wanted = define(a);
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
