// The GRU backward, chunk by chunk of steps from the last to the first. In a chunk:
//
//   1. the slopes of all gates, by one dense product: the forward step again, but no step waits for
//      another, since the states are known;
//   2. δ_t = dL/dh_t down the steps, which turns slopes into gradients of the gates' sums;
//   3. weight gradients, by one dense product of those gradients and [h, 1, i].
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cells/gru.h"
#include "csrc/cpu/gru_gates.h"
#include "csrc/cpu/vec_partial.h"

namespace midiff::MF_ISA {

// Sequences that go back through a step together.
inline constexpr int64_t kGruBackwardTeam = 12;

// The tile of a step: 6 x 2 sums rather than 4 x 3, so that the 6 or 7 sequences of a group load
// the weights, which exceed the first-level cache, as seldom as can be.
inline constexpr int kGruFeedbackRows = MF_VECTOR_BYTES == 64 ? 8 : 6;
inline constexpr int kGruFeedbackVectors = MF_VECTOR_BYTES == 64 ? 3 : 2;

// The tile of the weight gradients, in vectors of columns.
inline constexpr int kGruVectors = 3;

// A row of the gates' slopes, then gradients, in parts of padded H each: reset, update, candidate's
// state part, its input part; and last, the update gate itself.
inline constexpr int kGruReset = 0, kGruUpdate = 1, kGruStatePart = 2, kGruInputPart = 3;
inline constexpr int kGruSums = 4, kGruParts = 5;

template <class T>
int64_t gru_weight_sums_size(const GruShape& shape) {
  return kGruSums * shape.units * padded<T>(shape.sources());
}

// Elements that one sequence takes at one step of a chunk.
template <class T>
int64_t gru_sample_size(const GruShape& shape) {
  return kGruParts * padded<T>(shape.units) + padded<T>(shape.sources());
}

// Sequences times steps of a chunk: half of a 512 KiB second-level cache, the other half being for
// the weights and their gradients.
template <class T>
int64_t gru_chunk_samples(const GruShape& shape) {
  constexpr int64_t kBytes = 1 << 18, kLeastSteps = 8;
  const int64_t samples = kBytes / (gru_sample_size<T>(shape) * static_cast<int64_t>(sizeof(T)));
  return samples > kLeastSteps * kGruBackwardTeam ? samples : kLeastSteps * kGruBackwardTeam;
}

template <class T>
int64_t gru_backward_scratch_size(const GruShape& shape) {
  return gru_chunk_samples<T>(shape) * gru_sample_size<T>(shape) +
         kGruBackwardTeam * padded<T>(shape.units);
}

template <class T>
int64_t gru_feedback_size(const GruShape& shape) {
  return 3 * shape.units * (padded<T>(shape.units) + padded<T>(shape.inputs));
}

// Calls visit(first element, Count<vectors>{}) for panels of at most `most` vectors that cover the
// columns from vector `begin` to vector `end`.
template <class T, int most, class Visit>
MF_HD void for_each_column_panel(int64_t begin, int64_t end, const Visit& visit) {
  for_each_part(end - begin, most, [&](int64_t first, int64_t vectors) {
    with_count<most>(vectors, [&](auto count) { visit((begin + first) * kLanes<T>, count); });
  });
}

// source: [rows, columns]; packed: for every panel of columns, [rows, panel].
template <class T>
void gru_pack_columns(int64_t rows, int64_t columns, const T* source, T* packed) {
  for_each_column_panel<T, kGruFeedbackVectors>(
      0, vectors_for<T>(columns), [&](int64_t first, auto vectors) {
        constexpr int64_t kColumns = vectors * kLanes<T>;
        T* panel = packed + first * rows;
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t c = 0; c < kColumns && first + c < columns; ++c)
            panel[row * kColumns + c] = source[row * columns + first + c];
      });
}

// packed: W_hh, then W_ih, in panels of columns.
template <class T>
void gru_pack_feedback(const GruShape& shape, const GruWeights<T>& weights, int64_t member,
                       T* packed) {
  const int64_t units = shape.units, inputs = shape.inputs, rows = 3 * units;
  std::memset(packed, 0, sizeof(T) * gru_feedback_size<T>(shape));
  gru_pack_columns(rows, units, weights.hh + member * rows * units, packed);
  gru_pack_columns(rows, inputs, weights.ih + member * rows * inputs,
                   packed + rows * padded<T>(units));
}

// At most kGruBackwardTeam sequences of one member.
template <class T>
class GruBackwardTeam {
 public:
  GruBackwardTeam(const GruBackward<T>& task, int64_t member, int64_t first, int64_t rows,
                  T* weight_sums, T* scratch)
      : task_(task),
        steps_(task.shape.steps),
        units_(task.shape.units),
        inputs_(task.shape.inputs),
        rows_(rows),
        row_(padded<T>(units_)),
        gate_row_(kGruParts * row_),
        source_row_(padded<T>(task.shape.sources())),
        sequence_(member * task.shape.batch + first),
        packed_gates_(task.gates + member * gru_gates_size<T>(task.shape)),
        feedback_(task.feedback + member * gru_feedback_size<T>(task.shape)),
        input_(task.input.at(member, first)),
        grad_(task.grad_states.at(member, first)),
        weight_sums_(weight_sums),
        delta_(scratch),
        sources_(delta_ + kGruBackwardTeam * row_),
        gates_(sources_ + gru_chunk_samples<T>(task.shape) * source_row_) {}

  void run() {
    for (int64_t s = 0; s < rows_; ++s)
      for (int64_t unit = 0; unit < units_; unit += kLanes<T>)
        store(delta_ + s * row_ + unit, load_grad(s, steps_ - 1, unit));
    const int64_t chunk = gru_chunk_samples<T>(task_.shape) / rows_;
    for (int64_t end = steps_; end > 0;) {
      const int64_t begin = end > chunk ? end - chunk : 0, samples = (end - begin) * rows_;
      gather_sources(begin, end);
      write_slopes(samples);
      for (int64_t t = end - 1; t >= begin; --t) step(t, gates_ + (t - begin) * rows_ * gate_row_);
      if (weight_sums_) add_weight_gradients(samples);
      if (task_.grad_input) write_input_gradients(begin, samples);
      end = begin;
    }
    if (task_.grad_h0)
      for (int64_t s = 0; s < rows_; ++s)
        std::memcpy(task_.grad_h0 + (sequence_ + s) * units_, delta_ + s * row_,
                    sizeof(T) * units_);
  }

 private:
  // What the loss says about the state of sequence s after step t; nothing before the first step.
  Vec<T> load_grad(int64_t s, int64_t t, int64_t unit) const {
    if (t < 0) return Vec<T>{};
    return load_first(grad_ + s * task_.grad_states.sequence + t * task_.grad_states.step + unit,
                      units_ - unit);
  }

  // What multiplied the weights at each step: h_{t-1}, 1, i_t for every sequence.
  void gather_sources(int64_t begin, int64_t end) const {
    T* target = sources_;
    for (int64_t t = begin; t < end; ++t)
      for (int64_t s = 0; s < rows_; ++s, target += source_row_) {
        const T* state = t > 0 ? task_.states + ((sequence_ + s) * steps_ + t - 1) * units_
                               : task_.h0 + (sequence_ + s) * units_;
        std::memcpy(target, state, sizeof(T) * units_);
        target[units_] = 1;
        const T* input = input_ + s * task_.input.sequence + t * task_.input.step;
        for (int64_t i = 0; i < inputs_; ++i) target[units_ + 1 + i] = input[i];
      }
  }

  void write_slopes(int64_t samples) const {
    for (int64_t unit = 0; unit < units_; unit += kLanes<T>) {
      for_each_part(samples, kGruRows, [&](int64_t sample, int64_t count) {
        const T* source = sources_ + sample * source_row_;
        const GruRows<T> left = {source, source_row_, source + units_ + 1, source_row_};
        with_count<kGruRows>(count, [&](auto row_count) {
          gru_panel<row_count>(task_.shape, unit, packed_gates_, left,
                               [&](int r, const GruGates<Vec<T>>& gates, Vec<T> state_part) {
                                 const GruSlopes<Vec<T>> slopes = gru_slopes(
                                     gates, state_part, load(source + r * source_row_ + unit));
                                 T* target = gates_ + (sample + r) * gate_row_ + unit;
                                 store(target + kGruReset * row_, slopes.reset);
                                 store(target + kGruUpdate * row_, slopes.update);
                                 store(target + kGruStatePart * row_, slopes.state_part);
                                 store(target + kGruInputPart * row_, slopes.input_part);
                                 store(target + kGruSums * row_, gates.update);
                               });
        });
      });
    }
  }

  // Slopes to gradients at step t, and δ_{t-1} in place of δ_t.
  void step(int64_t t, T* gates) const {
    for (int64_t s = 0; s < rows_; ++s)
      for (int64_t unit = 0; unit < units_; unit += kLanes<T>) {
        T* at = gates + s * gate_row_ + unit;
        T* delta = delta_ + s * row_ + unit;
        const Vec<T> grad_next = load(delta);
        for (int part = 0; part < kGruSums; ++part)
          store(at + part * row_, load(at + part * row_) * grad_next);
        store(delta,
              gru_backward(grad_next, load(at + kGruSums * row_), load_grad(s, t - 1, unit)));
      }
    for_each_column_panel<T, kGruFeedbackVectors>(
        0, row_ / kLanes<T>, [&](int64_t first, auto vectors) {
          for_each_part(rows_, kGruFeedbackRows, [&](int64_t s, int64_t count) {
            with_count<kGruFeedbackRows>(count, [&](auto row_count) {
              RowTile<T, row_count, vectors> feedback;
              feedback.start();
              add_gate_products(feedback, gates + s * gate_row_, kGruStatePart,
                                feedback_ + first * 3 * units_);
              feedback.add_to(delta_ + s * row_ + first, row_);
            });
          });
        });
  }

  // tile += [reset, update, candidate part] · weights, a panel of columns of [3H, ·].
  template <int kRows, int kVectors>
  MF_HD void add_gate_products(RowTile<T, kRows, kVectors>& tile, const T* gradients,
                               int candidate_part, const T* weights) const {
    constexpr int64_t kColumns = kVectors * kLanes<T>;
    for (const int part : {kGruReset, kGruUpdate, candidate_part}) {
      tile.add_product(units_, gradients + part * row_, gate_row_, 1, weights, kColumns);
      weights += units_ * kColumns;
    }
  }

  // weight_sums [4H, padded sources] += gradientsᵀ sources over the samples of a chunk; of the
  // candidate's two parts, only what multiplied them.
  void add_weight_gradients(int64_t samples) const {
    const int64_t bias = units_ / kLanes<T>, vectors = source_row_ / kLanes<T>;
    add_outer_products(samples, kGruReset, 0, vectors);
    add_outer_products(samples, kGruUpdate, 0, vectors);
    add_outer_products(samples, kGruStatePart, 0, bias + 1);
    add_outer_products(samples, kGruInputPart, bias, vectors);
  }

  // The columns from vector `begin` to vector `end` of the sums of one part.
  void add_outer_products(int64_t samples, int part, int64_t begin, int64_t end) const {
    for_each_part(units_, kGruRows, [&](int64_t unit, int64_t count) {
      T* sums = weight_sums_ + (part * units_ + unit) * source_row_;
      for_each_column_panel<T, kGruVectors>(begin, end, [&](int64_t first, auto vectors) {
        with_count<kGruRows>(count, [&](auto row_count) {
          RowTile<T, row_count, vectors> products;
          products.start();
          products.add_product(samples, gates_ + part * row_ + unit, 1, gate_row_, sources_ + first,
                               source_row_);
          products.add_to(sums + first, source_row_);
        });
      });
    });
  }

  // dL/di_t: the gates' gradients through W_ih.
  void write_input_gradients(int64_t begin, int64_t samples) const {
    const T* weights = feedback_ + 3 * units_ * row_;
    for_each_part(samples, kGruFeedbackRows, [&](int64_t sample, int64_t count) {
      with_count<kGruFeedbackRows>(count, [&](auto row_count) {
        for_each_column_panel<T, kGruFeedbackVectors>(
            0, vectors_for<T>(inputs_), [&](int64_t first, auto vectors) {
              RowTile<T, row_count, vectors> grad;
              grad.start();
              add_gate_products(grad, gates_ + sample * gate_row_, kGruInputPart,
                                weights + first * 3 * units_);
              grad.for_each([&](int r, int v, Vec<T> sum) {
                const int64_t at = first + v * kLanes<T>, s = (sample + r) % rows_;
                const int64_t t = begin + (sample + r) / rows_;
                store_first(task_.grad_input + ((sequence_ + s) * steps_ + t) * inputs_ + at, sum,
                            inputs_ - at);
              });
            });
      });
    });
  }

  const GruBackward<T>& task_;
  const int64_t steps_, units_, inputs_, rows_, row_, gate_row_, source_row_;
  const int64_t sequence_;  // the team's first one, counted over members
  const T* const packed_gates_;
  const T* const feedback_;
  const T* const input_;
  const T* const grad_;
  T* const weight_sums_;  // or null
  T* const delta_;        // [rows, padded H]
  T* const sources_;      // [steps of a chunk, rows, padded sources]
  T* const gates_;        // [steps of a chunk, rows, 5, padded H]
};

template <class T>
void gru_backward_range(const GruBackward<T>& task, int64_t first, int64_t last, T* scratch) {
  const int64_t batch = task.shape.batch;
  for (int64_t item = first; item < last; ++item) {
    const int64_t member = item / task.groups, group = item % task.groups;
    const int64_t begin = batch * group / task.groups, end = batch * (group + 1) / task.groups;
    T* sums = nullptr;
    if (task.weight_sums) {
      sums = task.weight_sums + item * gru_weight_sums_size<T>(task.shape);
      std::memset(sums, 0, sizeof(T) * gru_weight_sums_size<T>(task.shape));
    }
    for_each_part(end - begin, kGruBackwardTeam, [&](int64_t part, int64_t rows) {
      GruBackwardTeam<T>(task, member, begin + part, rows, sums, scratch).run();
    });
  }
}

// The gradients of one member's weights: the sums of its groups, added in their order.
template <class T>
void gru_add_weight_sums(const GruShape& shape, const T* weight_sums, int64_t groups,
                         int64_t member, const GruWeightGradients<T>& gradients) {
  const int64_t units = shape.units, inputs = shape.inputs, row = padded<T>(shape.sources());
  const int64_t size = gru_weight_sums_size<T>(shape);
  const T* sums = weight_sums + member * groups * size;
  const auto total = [&](int64_t at) {
    T sum = 0;
    for (int64_t group = 0; group < groups; ++group) sum += sums[group * size + at];
    return sum;
  };
  for (int64_t gate = 0; gate < 3; ++gate)
    for (int64_t n = 0; n < units; ++n) {
      const int64_t unit = (3 * member + gate) * units + n;
      const int64_t from_state = (gate * units + n) * row;
      const int64_t from_input = gate < 2 ? from_state : (kGruInputPart * units + n) * row;
      for (int64_t j = 0; j < units; ++j) gradients.hh[unit * units + j] = total(from_state + j);
      gradients.bias_hh[unit] = total(from_state + units);
      gradients.bias_ih[unit] = total(from_input + units);
      for (int64_t i = 0; i < inputs; ++i)
        gradients.ih[unit * inputs + i] = total(from_input + units + 1 + i);
    }
}

}  // namespace midiff::MF_ISA
