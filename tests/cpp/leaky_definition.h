// The leaky RNN by its definition, one scalar at a time in double precision, with arguments to try
// it on: what the kernels of every device are compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "csrc/cells/leaky.h"
#include "tests/cpp/definition.h"

namespace midiff::test {

template <class T>
struct LeakyArguments {
  LeakyShape shape;
  T alpha;
  std::vector<T> input, noise, h0, ih, hh, bias, grad_states;

  LeakyArguments(const LeakyShape& s, T alpha_) : shape(s), alpha(alpha_) {
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

struct LeakyResults {
  std::vector<double> states, last, input, noise, h0, ih, hh, bias;
};

// The definition, one scalar at a time.
template <class T>
LeakyResults define(const LeakyArguments<T>& a) {
  const auto [members, batch, steps, inputs, units] = a.shape;
  const double alpha = a.alpha;
  LeakyResults r;
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
        next[n] = leaky_forward(x[t][n], alpha * drive, double(a.noise[at]), 1 - alpha);
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
        previous[j] = leaky_backward(delta[j], rate, feedback, 0.0, 1 - alpha);
      }
      delta = previous;
    }
    r.h0.insert(r.h0.end(), delta.begin(), delta.end());
  }
  return r;
}

}  // namespace midiff::test
