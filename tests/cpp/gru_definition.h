// The GRU by its definition, one scalar at a time in double precision, with arguments to try it on:
// what the kernels of every device are compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "csrc/cells/gru.h"
#include "tests/cpp/definition.h"

namespace midiff::test {

template <class T>
struct GruArguments {
  GruShape shape;
  std::vector<T> input, h0, ih, hh, bias_ih, bias_hh, grad_states;

  explicit GruArguments(const GruShape& s) : shape(s) {
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

struct GruResults {
  std::vector<double> states, last, input, h0, ih, hh, bias_ih, bias_hh;
};

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// The definition, one scalar at a time.
template <class T>
GruResults define(const GruArguments<T>& a) {
  const auto [members, batch, steps, inputs, units] = a.shape;
  GruResults r;
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

}  // namespace midiff::test
