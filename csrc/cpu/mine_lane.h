// Donsker-Varadhan bound and its gradient in one pass over the samples.
//
// Per chunk: samples are brought in (mine_inputs.h); the first layer is computed
// for joint and product pairs together, sharing W_a a; the hidden layer is one dense product;
// scores T, then weights of the samples (1 for joint, exp(T - running maximum) for product pairs).
// Going back, both products with the derivative of the hidden layer are mask products
// (mask_product.h). Nothing of size S x H is ever stored.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "csrc/cpu/mine_inputs.h"
#include "csrc/cpu/mine_layout.h"
#include "csrc/cpu/mine_weights.h"

namespace midiff::MF_ISA {

template <class T, class Factor = T>
class MineLane {
 public:
  MineLane(const MineShape& shape, const MineSamples<T>& samples, const T* packed, T* sums,
           T* scratch)
      : shape_(shape),
        l_(shape),
        samples_(samples),
        packed_(packed),
        sums_(sums),
        scratch_(scratch),
        inputs_(l_, samples, scratch) {}

  LaneResult run(int64_t first, int64_t last) {
    if (shape_.weight_gradients) std::memset(sums_, 0, sizeof(T) * l_.sums_size());
    for (; first < last; first += l_.chunk) {
      first_ = first;
      count_ = last - first < l_.chunk ? last - first : l_.chunk;
      inputs_.bring_in(first_, count_);
      first_layer();
      hidden_layer();
      weigh();
      if (!shape_.weight_gradients && !shape_.input_gradients) continue;
      if (shape_.weight_gradients) output_gradient();
      transpose_first_layer();
      hidden_codes();
      back_to_first_layer();
      if (shape_.weight_gradients) {
        hidden_gradient();
        first_gradient();
      }
      if (shape_.input_gradients) input_gradient();
    }
    return result_;
  }

 private:
  static constexpr int kL = kLanes<T>;
  static constexpr int kP = kPanel<T>;
  static constexpr bool kPairs = MineLayout<T, Factor>::kPairs;

  MF_HD static Vec<T> activate(Vec<T> z, T slope) {
    return z > Vec<T>{} ? z : z * broadcast(slope);
  }

  void first_layer() {
    const T* bias = packed_ + l_.first_bias();
    const int64_t half = l_.chunk * l_.in_factors;           // from joint to product inputs
    const int64_t half_out = l_.sample_panels() * l_.units;  // from joint to product activations
    for (int64_t unit = 0; unit < l_.units; unit += kFirstRows) {
      const Factor* weights = factors(packed_ + l_.first_weights() + unit * l_.in_factors);
      const Factor* of_b = weights + l_.a_factors * kFirstRows;
      for (int64_t panel = 0; panel < l_.sample_panels(); ++panel) {
        const Factor* inputs = factors(scratch_ + l_.inputs_t() + panel * l_.in_factors * kP);
        const Factor* inputs_b = inputs + l_.a_factors * kP;
        const int64_t out = panel * l_.units + unit;
        Tile<T, kFirstRows> joint;
        for (int m = 0; m < kFirstRows; ++m)
#pragma GCC unroll 2
          for (int v = 0; v < kTileVectors; ++v) joint.acc[m][v] = broadcast(bias[unit + m]);
        joint.add_product(l_.a_factors, weights, 1, kFirstRows, inputs, kP);
        Tile<T, kFirstRows> product = joint;
        joint.add_product(l_.b_factors, of_b, 1, kFirstRows, inputs_b, kP);
        store_activated(joint, out);
        product.add_product(l_.b_factors, of_b, 1, kFirstRows, inputs_b + half, kP);
        store_activated(product, out + half_out);
      }
    }
  }

  // at: in rows of kP activations.
  MF_HD void store_activated(const Tile<T, kFirstRows>& tile, int64_t at) {
    T* out = scratch_ + l_.first_t() + at * kP;
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) {
      Vec<T> active[kFirstRows];
      for (int m = 0; m < kFirstRows; ++m) {
        active[m] = activate(tile.acc[m][v], samples_.slope);
        store(out + m * kP + v * kL, active[m]);
      }
      if constexpr (kPairs)
        for (int m = 0; m < kFirstRows; m += 2)
          store(factors(scratch_ + l_.first_f() + (at + m) / 2 * kP + v * kL),
                pairs_across(active[m], active[m + 1]));
    }
  }

  // Hidden activations and scores.
  void hidden_layer() {
    T* scores = scratch_ + l_.scores();
    const T* out_bias = packed_ + l_.out_bias();
    for (int64_t r = 0; r < l_.rows(); ++r) scores[r] = *out_bias;
    for_each_row_block(l_.units, [&](int64_t unit, auto rows) {
      constexpr int kRows = decltype(rows)::value;
      const Factor* weights = factors(packed_ + l_.hidden_weights() + unit * l_.unit_factors);
      const Factor* first = factors(scratch_ + (kPairs ? l_.first_f() : l_.first_t()));
      const T* bias = packed_ + l_.hidden_bias() + unit;
      const T* out_weight = packed_ + l_.out_weights() + unit;
      for (int64_t panel = 0; panel < 2 * l_.sample_panels(); ++panel) {
        Tile<T, kRows> tile;
#pragma GCC unroll 16
        for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 2
          for (int v = 0; v < kTileVectors; ++v) tile.acc[m][v] = broadcast(bias[m]);
        tile.add_product(l_.unit_factors, weights, 1, kRows, first + panel * l_.unit_factors * kP,
                         kP);
        T* out = scratch_ + l_.hidden_t() + (panel * l_.units + unit) * kP;
#pragma GCC unroll 2
        for (int v = 0; v < kTileVectors; ++v) {
          T* score = scores + panel * kP + v * kL;
          Vec<T> sum = load(score);
#pragma GCC unroll 16
          for (int m = 0; m < kRows; ++m) {
            const Vec<T> active = activate(tile.acc[m][v], samples_.slope);
            store(out + m * kP + v * kL, active);
            sum += active * broadcast(out_weight[m]);
          }
          store(score, sum);
        }
      }
    });
  }

  // Weights of the samples in the two sums, and the running log-sum-exp.
  void weigh() {
    T* weight = scratch_ + l_.weight_t();
    const double factor =
        weigh_samples(result_, scratch_ + l_.scores(), l_.chunk, count_, l_.chunk, weight);
    if (factor != 1.0 && shape_.weight_gradients) rescale(static_cast<T>(factor));
    T* by_row = scratch_ + l_.weight_r();
    for (int kind = 0; kind < 2; ++kind)
      for (int64_t s = 0; s < l_.chunk; ++s)
        by_row[kind * l_.chunk + l_.row_of(s)] = weight[kind * l_.chunk + s];
    if (shape_.input_gradients)
      samples_.product_reference[first_ / l_.chunk] = result_.product.maximum;
  }

  // A new maximum: what product pairs have contributed so far counts less.
  void rescale(T factor) {
    const auto scale = [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) sums_[i] *= factor;
    };
    scale(l_.sum_hidden(1), l_.sum_hidden(2));
    scale(l_.sum_first(1), l_.sum_first(2));
    scale(l_.sum_out(1), l_.sum_out(2));
    scale(l_.sum_bias(1), l_.sum_bias(2));
  }

  // Of weight_out, and the sum of masks from which bias_h follows.
  void output_gradient() {
    for (int64_t unit = 0; unit < l_.units; ++unit) {
      for (int kind = 0; kind < 2; ++kind) {
        T* sum_out = sums_ + l_.sum_out(kind) + unit * kL;
        T* sum_bias = sums_ + l_.sum_bias(kind) + unit * kL;
        Vec<T> out = load(sum_out), bias = load(sum_bias);
        for (int64_t s = 0; s < l_.chunk; s += kL) {
          const int64_t sample = kind * l_.chunk + s;
          const Vec<T> hidden =
              load(scratch_ + l_.hidden_t() + (sample / kP * l_.units + unit) * kP + sample % kP);
          const Vec<T> weight = load(scratch_ + l_.weight_t() + sample);
          out += hidden * weight;
          bias += hidden > Vec<T>{} ? weight : weight * broadcast(samples_.slope);
        }
        store(sum_out, out);
        store(sum_bias, bias);
      }
    }
  }

  // First-layer activations, samples as rows.
  void transpose_first_layer() {
    for (int64_t column = 0; column < l_.panels; ++column) {
      T* out = scratch_ + l_.first_r() + column * l_.rows() * kP;
      for (int64_t sample = 0; sample < l_.rows(); sample += kL) {
        const T* in =
            scratch_ + l_.first_t() + (sample / kP * l_.units + column * kP) * kP + sample % kP;
        const int64_t kind_first = sample / l_.chunk * l_.chunk;
        T* rows = out + (kind_first + l_.row_of(sample - kind_first)) * kP;
        for (int v = 0; v * kL < l_.columns(column); ++v)
          transpose_block(in + v * kL * kP, kP, at_most(l_.columns(column) - v * kL, kL),
                          rows + v * kL, 4 * kP, kL);
      }
    }
  }

  // Codes of the hidden layer's derivative: groups of four units for every sample, and groups of
  // four samples for every unit.
  void hidden_codes() {
    Code* by_sample = codes(l_.codes_s());
    Code* by_unit = codes(l_.codes_w());
    const T* hidden = scratch_ + l_.hidden_t();
    for (int64_t sample = 0; sample < l_.rows(); sample += kL) {
      const T* at = hidden + sample / kP * l_.units * kP + sample % kP;
      for (int64_t g = 0; g < l_.groups_s; ++g) {
        Vec<T> units[4];
        for (int b = 0; b < 4; ++b) units[b] = load(at + (4 * g + b) * kP);
        store_codes<T>(by_sample + (sample / kL * l_.groups_s + g) * kL, units);
      }
    }
    if (!shape_.weight_gradients) return;
    for (int64_t sample = 0; sample < l_.rows(); sample += 4 * kL) {
      const int kind = sample >= l_.chunk;
      for (int64_t unit = 0; unit < l_.units; ++unit) {
        const T* at = hidden + (sample / kP * l_.units + unit) * kP;
        Vec<T> samples[4];
        for (int b = 0; b < 4; ++b) samples[b] = load(at + b / 2 * l_.units * kP + b % 2 * kL);
        store_codes<T>(
            by_unit + (kind * l_.units + unit) * l_.groups_w + (sample - kind * l_.chunk) / 4,
            samples);
      }
    }
  }

  // delta_r = weight * act'(first layer) * (mask x diag(weight_out) weight_h), row by row.
  void back_to_first_layer() {
    T* table = scratch_ + l_.table();
    const T* weight = scratch_ + l_.weight_r();
    for_each_panel([&](int64_t column, auto vectors) {
      T* delta = scratch_ + l_.delta_r() + column * l_.rows() * kP;
      const T* first = scratch_ + l_.first_r() + column * l_.rows() * kP;
      const T* back = packed_ + l_.back_weights() + column * l_.units * kP;
      std::memset(delta, 0, sizeof(T) * l_.rows() * kP);
      for (int64_t g = 0; g < l_.groups_s; g += kTableGroups) {
        const int groups = at_most(l_.groups_s - g, kTableGroups);
        for (int i = 0; i < groups; ++i)
          tabulate<vectors>(table + i * kTableSize<T>, back + (g + i) * 4 * kP,
                            static_cast<const T*>(nullptr), samples_.slope);
        for (int64_t sample = 0; sample < l_.rows(); sample += kL) {
          const int64_t row = sample / (4 * kL) * (4 * kL) + sample / kL % 4;
          add_picked_rows<vectors>(delta + row * kP, 4 * kP, kL, table,
                                   codes(l_.codes_s()) + (sample / kL * l_.groups_s + g) * kL,
                                   CodeStrides<1, kL>{}, groups);
        }
      }
      for (int64_t row = 0; row < l_.rows(); ++row) {
        for (int v = 0; v < vectors; ++v) {
          const int64_t at = row * kP + v * kL;
          const Vec<T> d = load(delta + at) * broadcast(weight[row]);
          store(delta + at, load(first + at) > Vec<T>{} ? d : d * broadcast(samples_.slope));
        }
      }
      if constexpr (kPairs) {
        T* pairs = scratch_ + l_.delta_s() + column * l_.rows() / 2 * kP;
        for (int64_t row = 0; row < l_.rows(); row += 2)
          for (int v = 0; v < vectors; ++v) {
            const T* at = delta + row * kP + v * kL;
            store(factors(pairs + row / 2 * kP + v * kL), pairs_across(load(at), load(at + kP)));
          }
      }
    });
  }

  // Sum over samples of mask[unit] * weight * first layer: weight_h's gradient but for weight_out.
  void hidden_gradient() {
    T* table = scratch_ + l_.table();
    for (int kind = 0; kind < 2; ++kind) {
      const T* weight = scratch_ + l_.weight_r() + kind * l_.chunk;
      for_each_panel([&](int64_t column, auto vectors) {
        const T* first = scratch_ + l_.first_r() + (column * l_.rows() + kind * l_.chunk) * kP;
        T* sum = sums_ + l_.sum_hidden(kind) + column * l_.units * kP;
        for (int64_t g = 0; g < l_.groups_w; g += kTableGroups) {
          const int groups = at_most(l_.groups_w - g, kTableGroups);
          for (int i = 0; i < groups; ++i)
            tabulate<vectors>(table + i * kTableSize<T>, first + (g + i) * 4 * kP,
                              weight + (g + i) * 4, samples_.slope);
          add_picked_rows<vectors>(sum, kP, l_.units, table,
                                   codes(l_.codes_w()) + kind * l_.units * l_.groups_w + g,
                                   CodeStrides<0, 1>{l_.groups_w}, groups);
        }
      });
    }
  }

  // Sum over samples of (a, b, 1) x delta: gradients of weight_a, weight_b and the first biases.
  void first_gradient() {
    for (int kind = 0; kind < 2; ++kind) {
      constexpr int kNumbers = MineLayout<T, Factor>::kNumbers;
      const int64_t depth = l_.chunk / kNumbers;
      const Factor* inputs =
          factors(scratch_ + (kPairs ? l_.inputs_s() : l_.inputs_r()) + kind * depth * l_.in_rows);
      for_each_panel([&](int64_t column, auto vectors) {
        const Factor* delta = factors(scratch_ + (kPairs ? l_.delta_s() : l_.delta_r()) +
                                      (2 * column + kind) * depth * kP);
        T* sum = sums_ + l_.sum_first(kind) + column * l_.in_rows * kP;
        for_each_row_block(l_.in_rows, [&](int64_t row, auto rows) {
          Tile<T, decltype(rows)::value, vectors> tile;
          tile.fill(0);
          tile.add_product(depth, inputs + row, 1, l_.in_rows, delta, kP);
          tile.add_to(sum + row * kP, kP);
        });
      });
    }
  }

  // delta x (weight_a, weight_b): what each sample's inputs contribute.
  void input_gradient() {
    const int64_t width = l_.in_panels * kP;
    T* out = scratch_ + l_.input_delta();
    std::memset(out, 0, sizeof(T) * l_.rows() * width);
    for (int64_t column = 0; column < l_.panels; ++column) {
      const T* delta = scratch_ + l_.delta_r() + column * l_.rows() * kP;
      for (int64_t panel = 0; panel < l_.in_panels; ++panel) {
        const T* weights = packed_ + l_.input_weights() + column * kP * width + panel * kP;
        with_panel_vectors<T>(l_.in - panel * kP, [&](auto vectors) {
          for_each_row_block(l_.rows(), [&](int64_t row, auto rows) {
            Tile<T, decltype(rows)::value, vectors> tile;
            tile.fill(0);
            tile.add_product(l_.columns(column), delta + row * kP, kP, 1, weights, width);
            tile.add_to(out + row * width + panel * kP, width);
          });
        });
      }
    }
    for (int64_t s = 0; s < count_; ++s) {
      const int64_t to = (first_ + s) * l_.in;
      const T* joint = out + l_.row_of(s) * width;
      std::memcpy(samples_.joint_gradient + to, joint, sizeof(T) * l_.in);
      std::memcpy(samples_.product_gradient + to, joint + l_.chunk * width, sizeof(T) * l_.in);
    }
  }

  // Calls visit(panel, vectors in use) for every panel of units.
  template <class Visit>
  MF_HD void for_each_panel(const Visit& visit) {
    for (int64_t column = 0; column < l_.panels; ++column)
      with_panel_vectors<T>(l_.columns(column), [&](auto vectors) { visit(column, vectors); });
  }

  static Factor* factors(T* at) { return as_factors<Factor>(at); }
  static const Factor* factors(const T* at) { return as_factors<Factor>(at); }

  Code* codes(int64_t offset) { return reinterpret_cast<Code*>(scratch_ + offset); }

  const MineShape& shape_;
  const MineLayout<T, Factor> l_;
  const MineSamples<T>& samples_;
  const T* packed_;
  T* sums_;
  T* scratch_;
  const MineInputs<T, Factor> inputs_;
  int64_t first_ = 0;  // first sample of the chunk
  int64_t count_ = 0;  // samples in it
  LaneResult result_;
};

}  // namespace midiff::MF_ISA
