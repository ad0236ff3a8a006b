// How the Donsker-Varadhan kernel lays out packed weights, gradient sums and scratch.
//
// "Panel" arrays keep one panel of columns after another, so that a tile reads consecutive memory.
// Hidden units are padded to a multiple of 4 with zero weights; padded units stay zero throughout.
#pragma once

#include <cstdint>

#include "csrc/cpu/factors.h"
#include "csrc/cpu/mask_product.h"
#include "csrc/cpu/mine_kernel_api.h"

namespace midiff::MF_ISA {

inline constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

inline int at_most(int64_t count, int limit) {
  return count < limit ? static_cast<int>(count) : limit;
}

// Factors in memory that is handed around as numbers.
template <class Factor, class T>
Factor* as_factors(T* at) {
  return reinterpret_cast<Factor*>(at);
}
template <class Factor, class T>
const Factor* as_factors(const T* at) {
  return reinterpret_cast<const Factor*>(at);
}

// First-layer tiles hold joint and product sums side by side, hence few rows.
inline constexpr int kFirstRows = 4;

// Factor: what the products with the first and the hidden layer multiply, see factors.h.
template <class T, class Factor = T>
struct MineLayout {
  static constexpr int kL = kLanes<T>;
  static constexpr int kP = kPanel<T>;
  static constexpr int kNumbers = kFactorNumbers<T, Factor>;
  static constexpr bool kPairs = kNumbers == 2;
  static_assert(sizeof(Factor) == sizeof(T));

  explicit MineLayout(const MineShape& shape)
      : a(shape.a_size),
        b(shape.b_size),
        in(a + b),
        a_factors((a + kNumbers - 1) / kNumbers),
        b_factors((b + kNumbers - 1) / kNumbers),
        in_factors(a_factors + b_factors),
        in_rows(round_up(in + 1, 4)),
        in_panels(round_up(in, kP) / kP),
        hidden(shape.hidden),
        units(round_up(hidden, 4)),
        unit_factors(units / kNumbers),
        panels(round_up(units, kP) / kP),
        chunk(chunk_size(units)),
        groups_w(chunk / kGroupRows),
        groups_s(units / kGroupRows) {}

  // Large enough that building tables (16 sums per group) is small beside using them, small enough
  // that the activations of a chunk stay near L2.
  static int64_t chunk_size(int64_t units) {
    const int64_t wish = 65536 / units;
    const int64_t bounded = wish < 128 ? 128 : wish > 256 ? 256 : wish;
    return bounded / (2 * kP) * (2 * kP);
  }

  // Units in a panel.
  int64_t columns(int64_t panel) const {
    const int64_t left = units - panel * kP;
    return left < kP ? left : kP;
  }

  int64_t a, b, in;
  int64_t a_factors, b_factors, in_factors;
  int64_t in_rows;    // inputs and a constant 1 for the bias, padded to a multiple of 4
  int64_t in_panels;  // panels that cover the inputs
  int64_t hidden, units, unit_factors, panels;
  int64_t chunk;  // samples of each kind (joint, product) in a chunk
  int64_t groups_w, groups_s;

  // Packed weights; those of the first and the hidden layer are factors.
  int64_t first_weights() const { return 0; }  // [units/4][in_factors][4]
  int64_t first_bias() const { return first_weights() + units * in_factors; }  // [units]
  int64_t hidden_weights() const { return first_bias() + units; }  // [block][unit_factors][rows]
  int64_t hidden_bias() const { return hidden_weights() + units * unit_factors; }  // [units]
  int64_t out_weights() const { return hidden_bias() + units; }                    // [units]
  int64_t out_bias() const { return out_weights() + units; }                       // [1]
  int64_t back_weights() const { return out_bias() + kL; }  // [panel][units][kP]
  int64_t input_weights() const {
    return back_weights() + panels * units * kP;
  }  // [units][in_panels][kP]
  int64_t packed_size() const { return input_weights() + panels * kP * in_panels * kP; }

  // Gradient sums of one lane; twice each, joint then product.
  int64_t sum_hidden(int kind) const { return kind * panels * units * kP; }  // [panel][units][kP]
  int64_t sum_first(int kind) const {                                        // [panel][in_rows][kP]
    return sum_hidden(2) + kind * panels * in_rows * kP;
  }
  int64_t sum_out(int kind) const { return sum_first(2) + kind * units * kL; }  // [units][kL]
  int64_t sum_bias(int kind) const { return sum_out(2) + kind * units * kL; }   // [units][kL]
  int64_t sums_size() const { return sum_bias(2); }

  // Scratch of one thread. Rows of a chunk: all joint samples, then all product samples.
  int64_t rows() const { return 2 * chunk; }
  int64_t sample_panels() const { return chunk / kP; }
  int64_t inputs_t() const { return 0; }  // [kind][panel][in_factors][kP], factors
  int64_t inputs_r() const { return inputs_t() + rows() * in_factors; }  // [row][in_rows]
  int64_t first_t() const { return inputs_r() + rows() * in_rows; }      // [panel][units][kP]
  int64_t hidden_t() const { return first_t() + rows() * units; }        // [panel][units][kP]
  int64_t first_r() const { return hidden_t() + rows() * units; }        // [column panel][row][kP]
  int64_t delta_r() const { return first_r() + rows() * panels * kP; }   // [column panel][row][kP]
  int64_t scores() const { return delta_r() + rows() * panels * kP; }    // [rows]
  int64_t weight_t() const { return scores() + rows(); }                 // [rows]
  int64_t weight_r() const { return weight_t() + rows(); }               // [rows]
  int64_t table() const { return weight_r() + rows(); }                  // [kTableGroups][16][kP]
  int64_t input_delta() const {
    return table() + kTableGroups * kTableSize<T>;
  }  // [rows][in_panels][kP]
  int64_t codes_s() const { return input_delta() + rows() * in_panels * kP; }
  int64_t codes_w() const { return codes_s() + space_of_codes(rows() * groups_s); }
  // Factors beside the numbers they were made of; nothing where they are the same.
  int64_t first_f() const { return codes_w() + space_of_codes(2 * units * groups_w); }
  int64_t inputs_f() const { return first_f() + factors(unit_factors); }    // [row][row_factors()]
  int64_t inputs_s() const { return inputs_f() + factors(row_factors()); }  // [row/2][in_rows]
  int64_t delta_s() const { return inputs_s() + factors(in_rows) / 2; }     // [panel][row/2][kP]
  int64_t noise_a() const { return delta_s() + factors(panels * kP) / 2; }  // [chunk, a]
  int64_t noise_b() const { return noise_a() + chunk * a; }                 // [chunk, b]
  int64_t noise_shuffled() const { return noise_b() + chunk * b; }          // [3 + b]
  int64_t scratch_size() const { return noise_shuffled() + round_up(3 + b, kL); }
  int64_t factors(int64_t of_a_row) const { return kPairs ? rows() * of_a_row : 0; }
  int64_t row_factors() const { return round_up(a_factors, kL) + round_up(b_factors, kL); }

  static int64_t space_of_codes(int64_t count) {
    return round_up(count * sizeof(Code), sizeof(T)) / sizeof(T);
  }

  // Row of sample s (0 .. chunk-1) of a kind: four samples that share a lane in four consecutive
  // vectors stand together, so that a group of four rows has its codes in one lane.
  int64_t row_of(int64_t s) const { return s / (4 * kL) * (4 * kL) + s % kL * 4 + s / kL % 4; }
};

}  // namespace midiff::MF_ISA
