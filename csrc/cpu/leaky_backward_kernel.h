// The leaky RNN backward: δ_t = dL/dx_t goes down the steps; every chunk of steps then adds one
// dense product δᵀ [tanh x, i, 1] to the weight gradients while both are still in the cache.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cells/leaky.h"
#include "csrc/common/math.h"
#include "csrc/cpu/leaky_tile.h"
#include "csrc/cpu/vec_partial.h"

namespace midiff::MF_ISA {

template <class T>
int64_t leaky_backward_packed_size(const LeakyShape& shape) {
  return shape.units * (padded<T>(shape.units) + padded<T>(shape.inputs));
}

// packed: α W_hh [N, padded N], then α W_ih [N, padded I].
template <class T>
void leaky_pack_backward(const LeakyShape& shape, const LeakyWeights<T>& weights, int64_t member,
                         T* packed) {
  const int64_t units = shape.units, inputs = shape.inputs;
  const int64_t row = padded<T>(units), input_row = padded<T>(inputs);
  const T* hh = weights.hh + member * units * units;
  const T* ih = weights.ih + member * units * inputs;
  std::memset(packed, 0, sizeof(T) * leaky_backward_packed_size<T>(shape));
  T* packed_ih = packed + units * row;
  for (int64_t n = 0; n < units; ++n) {
    for (int64_t j = 0; j < units; ++j) packed[n * row + j] = weights.alpha * hh[n * units + j];
    for (int64_t i = 0; i < inputs; ++i)
      packed_ih[n * input_row + i] = weights.alpha * ih[n * inputs + i];
  }
}

template <class T>
int64_t leaky_weight_sums_size(const LeakyShape& shape) {
  return shape.units * padded<T>(shape.sources());
}

// Steps whose δ and sources fill half of a 32 KiB first-level cache.
template <class T>
int64_t leaky_chunk(const LeakyShape& shape) {
  constexpr int64_t kBytes = 16384;
  const int64_t row = padded<T>(shape.units) + padded<T>(shape.sources());
  const int64_t steps = kBytes / (kLeakyBlock * row * static_cast<int64_t>(sizeof(T)));
  return steps < 4 ? 4 : steps > 64 ? 64 : steps;
}

template <class T>
int64_t leaky_backward_scratch_size(const LeakyShape& shape) {
  const int64_t row = padded<T>(shape.units);
  return kLeakyBlock * (leaky_chunk<T>(shape) * (row + padded<T>(shape.sources())) + row);
}

// A block of at most kLeakyBlock sequences of one member.
template <class T>
class LeakyBackwardBlock {
 public:
  LeakyBackwardBlock(const LeakyBackward<T>& task, int64_t member, int64_t first, int64_t rows,
                     T* weight_sums, T* scratch)
      : task_(task),
        steps_(task.shape.steps),
        units_(task.shape.units),
        inputs_(task.shape.inputs),
        rows_(rows),
        row_(padded<T>(units_)),
        source_row_(padded<T>(task.shape.sources())),
        sequence_(member * task.shape.batch + first),
        weights_(task.packed + member * leaky_backward_packed_size<T>(task.shape)),
        input_(task.input.at(member, first)),
        grad_(task.grad_states.at(member, first)),
        weight_sums_(weight_sums),
        carry_(scratch),
        delta_(carry_ + kLeakyBlock * row_),
        sources_(delta_ + kLeakyBlock * leaky_chunk<T>(task.shape) * row_) {}

  void run() {
    for (int64_t s = 0; s < rows_; ++s)
      for (int64_t unit = 0; unit < units_; unit += kLanes<T>) {
        Vec<T> value{};
        if (steps_ > 0) value = load_first(grad_at(s, steps_ - 1) + unit, units_ - unit);
        store(carry_ + s * row_ + unit, value);
      }
    const int64_t chunk = leaky_chunk<T>(task_.shape);
    for (int64_t end = steps_; end > 0;) {
      const int64_t begin = end > chunk ? end - chunk : 0;
      std::memcpy(delta_at(end - 1 - begin), carry_, sizeof(T) * rows_ * row_);
      for (int64_t t = end - 1; t >= begin; --t) {
        prefetch(t);
        gather_sources(t, sources_ + (t - begin) * rows_ * source_row_);
        step(t, t - begin);
      }
      if (weight_sums_) add_weight_gradients((end - begin) * rows_);
      if (task_.grad_input) write_input_gradients(begin, end - begin);
      if (task_.grad_noise) write_noise_gradients(begin, end - begin);
      end = begin;
    }
    if (task_.grad_h0)
      for (int64_t s = 0; s < rows_; ++s)
        std::memcpy(task_.grad_h0 + (sequence_ + s) * units_, carry_ + s * row_,
                    sizeof(T) * units_);
  }

 private:
  T* delta_at(int64_t slot) const { return delta_ + slot * rows_ * row_; }

  const T* grad_at(int64_t s, int64_t t) const {
    return grad_ + s * task_.grad_states.sequence + t * task_.grad_states.step;
  }

  // Every sequence reads its states and gradients from the last to the first, a row at a step: more
  // streams than the processor follows by itself (4.5 ms without, 3.0 ms with this, in a batch of
  // 20 of the paper's shape). The second-level cache has room for more requests than the first.
  MF_HD void prefetch(int64_t t) const {
    constexpr int64_t kAhead = 16;  // steps
    constexpr int kSecondLevel = 2;
    if (t < kAhead) return;
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t s = 0; s < rows_; ++s) {
      const T* state = task_.states + ((sequence_ + s) * steps_ + t - kAhead) * units_;
      const T* grad = grad_at(s, t - kAhead);
      for (int64_t unit = 0; unit < units_; unit += kLine) {
        __builtin_prefetch(state + unit, 0, kSecondLevel);
        __builtin_prefetch(grad + unit, 0, kSecondLevel);
      }
    }
  }

  // What multiplied the weights at step t: tanh x_{t-1}, i_t, 1 for every sequence.
  void gather_sources(int64_t t, T* target) const {
    for (int64_t s = 0; s < rows_; ++s, target += source_row_) {
      const T* state = t > 0 ? task_.states + ((sequence_ + s) * steps_ + t - 1) * units_
                             : task_.h0 + (sequence_ + s) * units_;
      int64_t unit = 0;
      for (; unit + kLanes<T> <= units_; unit += kLanes<T>)
        store(target + unit, tanh(load(state + unit)));
      if (unit < units_)
        store_first(target + unit, tanh(load_first(state + unit, units_ - unit)), units_ - unit);
      const T* input = input_ + s * task_.input.sequence + t * task_.input.step;
      for (int64_t i = 0; i < inputs_; ++i) target[units_ + i] = input[i];
      target[units_ + inputs_] = 1;
    }
  }

  // δ_{t-1} from δ_t; the last one of a chunk goes to carry_.
  void step(int64_t t, int64_t slot) const {
    const T* delta = delta_at(slot);
    const T* rates = sources_ + slot * rows_ * source_row_;
    T* previous = slot > 0 ? delta_at(slot - 1) : carry_;
    with_count<kLeakyBlock>(rows_, [&](auto row_count) {
      for_each_panel<T>(vectors_for<T>(units_), [&](int64_t first_unit, auto vector_count) {
        RowTile<T, row_count, vector_count> feedback;
        feedback.start();
        feedback.add_product(units_, delta, row_, 1, weights_ + first_unit, row_);
        feedback.for_each([&](int s, int v, Vec<T> sum) {
          const int64_t unit = first_unit + v * kLanes<T>, at = s * row_ + unit;
          Vec<T> grad{};
          if (t > 0) grad = load_first(grad_at(s, t - 1) + unit, units_ - unit);
          const Vec<T> rate = load_first(rates + s * source_row_ + unit, units_ - unit);
          store(previous + at, leaky_backward(load(delta + at), rate, sum, grad, task_.leak));
        });
      });
    });
  }

  // weight_sums [N, padded sources] += δᵀ sources over the `samples` of a chunk.
  void add_weight_gradients(int64_t samples) const {
    for_each_part(units_, kLeakyBlock, [&](int64_t unit, int64_t count) {
      with_count<kLeakyBlock>(count, [&](auto row_count) {
        for_each_panel<T>(source_row_ / kLanes<T>, [&](int64_t first, auto vector_count) {
          RowTile<T, row_count, vector_count> sums;
          sums.start();
          sums.add_product(samples, delta_ + unit, 1, row_, sources_ + first, source_row_);
          sums.for_each([&](int r, int v, Vec<T> sum) {
            T* target = weight_sums_ + (unit + r) * source_row_ + first + v * kLanes<T>;
            store(target, load(target) + sum);
          });
        });
      });
    });
  }

  // dL/di_t = α W_ihᵀ δ_t.
  void write_input_gradients(int64_t begin, int64_t steps) const {
    const int64_t input_row = padded<T>(inputs_);
    const T* weights = weights_ + units_ * row_;
    for (int64_t slot = 0; slot < steps; ++slot) {
      T* target = task_.grad_input + (sequence_ * steps_ + begin + slot) * inputs_;
      with_count<kLeakyBlock>(rows_, [&](auto row_count) {
        for_each_panel<T>(input_row / kLanes<T>, [&](int64_t first, auto vector_count) {
          RowTile<T, row_count, vector_count> grad;
          grad.start();
          grad.add_product(units_, delta_at(slot), row_, 1, weights + first, input_row);
          grad.for_each([&](int s, int v, Vec<T> sum) {
            const int64_t at = first + v * kLanes<T>;
            store_first(target + s * steps_ * inputs_ + at, sum, inputs_ - at);
          });
        });
      });
    }
  }

  // dL/dξ_t = δ_t.
  void write_noise_gradients(int64_t begin, int64_t steps) const {
    for (int64_t s = 0; s < rows_; ++s)
      for (int64_t slot = 0; slot < steps; ++slot)
        std::memcpy(task_.grad_noise + ((sequence_ + s) * steps_ + begin + slot) * units_,
                    delta_at(slot) + s * row_, sizeof(T) * units_);
  }

  const LeakyBackward<T>& task_;
  const int64_t steps_, units_, inputs_, rows_, row_, source_row_;
  const int64_t sequence_;  // the block's first one, counted over members
  const T* const weights_;
  const T* const input_;
  const T* const grad_;
  T* const weight_sums_;  // or null
  T* const carry_;        // [rows, padded N]: δ between chunks
  T* const delta_;        // [steps of a chunk, rows, padded N]
  T* const sources_;      // [steps of a chunk, rows, padded sources]
};

template <class T>
void leaky_backward_range(const LeakyBackward<T>& task, int64_t first, int64_t last, T* scratch) {
  const int64_t batch = task.shape.batch;
  for (int64_t item = first; item < last; ++item) {
    const int64_t member = item / task.groups, group = item % task.groups;
    const int64_t begin = batch * group / task.groups, end = batch * (group + 1) / task.groups;
    T* sums = nullptr;
    if (task.weight_sums) {
      sums = task.weight_sums + item * leaky_weight_sums_size<T>(task.shape);
      std::memset(sums, 0, sizeof(T) * leaky_weight_sums_size<T>(task.shape));
    }
    for_each_part(end - begin, kLeakyBlock, [&](int64_t part, int64_t rows) {
      LeakyBackwardBlock<T>(task, member, begin + part, rows, sums, scratch).run();
    });
  }
}

// The gradients of one member's weights: α times the sums of its groups, added in their order.
template <class T>
void leaky_add_weight_sums(const LeakyShape& shape, const T* weight_sums, int64_t groups,
                           int64_t member, const LeakyWeightGradients<T>& gradients) {
  const int64_t units = shape.units, inputs = shape.inputs, row = padded<T>(shape.sources());
  const int64_t size = leaky_weight_sums_size<T>(shape);
  const T* sums = weight_sums + member * groups * size;
  const auto total = [&](int64_t at) {
    T sum = 0;
    for (int64_t group = 0; group < groups; ++group) sum += sums[group * size + at];
    return gradients.alpha * sum;
  };
  for (int64_t n = 0; n < units; ++n) {
    const int64_t at = n * row, unit = member * units + n;
    if (gradients.hh)
      for (int64_t j = 0; j < units; ++j) gradients.hh[unit * units + j] = total(at + j);
    if (gradients.ih)
      for (int64_t i = 0; i < inputs; ++i) gradients.ih[unit * inputs + i] = total(at + units + i);
    if (gradients.bias) gradients.bias[unit] = total(at + units + inputs);
  }
}

}  // namespace midiff::MF_ISA
