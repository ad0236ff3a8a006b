// The sums inside the gates of a few rows: packed weights, and the tile that multiplies them.
//
// Units are the vector axis. The weights of one vector of units, for all three gates, lie together
// and form a panel (10 KB for 100 float32 units with AVX2), which stays in the first-level cache
// while all rows pass; the sums of a row's three gates stay in registers until its units are done.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cells/gru.h"
#include "csrc/cpu/gru_kernel_api.h"
#include "csrc/cpu/row_tile.h"

namespace midiff::MF_ISA {

// 8 x 3 sums and 3 weights fill 27 of 32 registers; 4 x 3 sums, 3 weights and a broadcast all 16.
inline constexpr int kGruRows = MF_VECTOR_BYTES == 64 ? 8 : 4;

// Units of the last panel if their three gates fit one vector side by side, else 0: 100 float32
// units with AVX-512 then take 19 vectors of sums instead of 21.
template <class T>
int64_t gru_side_by_side(const GruShape& shape) {
  const int64_t left = shape.units % kLanes<T>;
  return 3 * left <= kLanes<T> ? left : 0;
}

// A panel: b_ir + b_hr, b_iz + b_hz, b_in, b_hn; W_ih [I, 3]; W_hh [H, 3]: vectors of units. With
// the gates side by side: what the sums of input and of state start from; W_ih [I]; W_hh [H].
template <class T>
int64_t gru_panel_size(const GruShape& shape) {
  return kLanes<T> * (4 + 3 * (shape.inputs + shape.units));
}

template <class T>
int64_t gru_gates_size(const GruShape& shape) {
  return vectors_for<T>(shape.units) * gru_panel_size<T>(shape);
}

template <class T>
void gru_pack_gates(const GruShape& shape, const GruWeights<T>& weights, int64_t member,
                    T* packed) {
  const int64_t units = shape.units, inputs = shape.inputs;
  const T* ih = weights.ih + member * 3 * units * inputs;
  const T* hh = weights.hh + member * 3 * units * units;
  const T* bias_ih = weights.bias_ih + member * 3 * units;
  const T* bias_hh = weights.bias_hh + member * 3 * units;
  std::memset(packed, 0, sizeof(T) * gru_gates_size<T>(shape));
  const int64_t together = gru_side_by_side<T>(shape);
  for (int64_t unit = units - together; unit < units; ++unit) {
    T* panel = packed + unit / kLanes<T> * gru_panel_size<T>(shape);
    for (int64_t gate = 0; gate < 3; ++gate) {
      const int64_t row = gate * units + unit;
      T* at = panel + gate * together + unit % kLanes<T>;
      at[0] = gate < 2 ? bias_ih[row] + bias_hh[row] : bias_ih[row];
      at[kLanes<T>] = gate < 2 ? T(0) : bias_hh[row];
      for (int64_t i = 0; i < inputs; ++i) at[(2 + i) * kLanes<T>] = ih[row * inputs + i];
      for (int64_t j = 0; j < units; ++j) at[(2 + inputs + j) * kLanes<T>] = hh[row * units + j];
    }
  }
  for (int64_t unit = 0; unit < units - together; ++unit) {
    T* panel = packed + unit / kLanes<T> * gru_panel_size<T>(shape) + unit % kLanes<T>;
    T* from_input = panel + 4 * kLanes<T>;
    T* from_state = from_input + 3 * kLanes<T> * inputs;
    for (int64_t gate = 0; gate < 3; ++gate) {
      const int64_t row = gate * units + unit, at = gate * kLanes<T>;
      panel[at] = gate < 2 ? bias_ih[row] + bias_hh[row] : bias_ih[row];
      for (int64_t i = 0; i < inputs; ++i)
        from_input[3 * kLanes<T> * i + at] = ih[row * inputs + i];
      for (int64_t j = 0; j < units; ++j) from_state[3 * kLanes<T> * j + at] = hh[row * units + j];
    }
    panel[3 * kLanes<T>] = bias_hh[2 * units + unit];
  }
}

// Rows of h_{t-1} and i_t, `state_row` and `input_row` apart.
template <class T>
struct GruRows {
  const T* state;
  int64_t state_row;
  const T* input;
  int64_t input_row;
};

// What a panel's sums come to: inside the gates of reset, update and the candidate's state part,
// and its input part.
template <class T, int kRows>
struct GruSums {
  Vec<T> gates[kRows][3];
  Vec<T> input_part[kRows];
};

template <int kRows, class T>
MF_HD GruSums<T, kRows> gru_sums(const GruShape& shape, const T* panel, const GruRows<T>& rows) {
  constexpr int64_t kGates = 3 * kLanes<T>;
  const T* from_input = panel + 4 * kLanes<T>;
  RowTile<T, kRows, 3> sums;
  sums.start(panel);
  sums.add_product(shape.inputs, rows.input, rows.input_row, 1, from_input, kGates);
  GruSums<T, kRows> found;
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    found.input_part[row] = sums.sum[row][2];
    sums.sum[row][2] = load(panel + kGates);
  }
  sums.add_product(shape.units, rows.state, rows.state_row, 1, from_input + kGates * shape.inputs,
                   kGates);
  sums.for_each([&](int row, int gate, Vec<T> sum) { found.gates[row][gate] = sum; });
  return found;
}

template <int kRows, class T>
MF_HD GruSums<T, kRows> gru_sums_side_by_side(const GruShape& shape, int64_t together,
                                              const T* panel, const GruRows<T>& rows) {
  RowTile<T, kRows, 1> from_input, from_state;
  from_input.start(panel);
  from_state.start(panel + kLanes<T>);
  const T* weights = panel + 2 * kLanes<T>;
  from_input.add_product(shape.inputs, rows.input, rows.input_row, 1, weights, kLanes<T>);
  from_state.add_product(shape.units, rows.state, rows.state_row, 1,
                         weights + kLanes<T> * shape.inputs, kLanes<T>);
  GruSums<T, kRows> found;
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const Vec<T> both = from_input.sum[row][0] + from_state.sum[row][0];
    found.gates[row][0] = both;
    found.gates[row][1] = lanes_from(both, together);
    found.gates[row][2] = lanes_from(from_state.sum[row][0], 2 * together);
    found.input_part[row] = lanes_from(from_input.sum[row][0], 2 * together);
  }
  return found;
}

// Calls visit(row, gates, state part of the candidate) for kRows rows and the units of the panel
// that begins with `unit`.
template <int kRows, class T, class Visit>
MF_HD void gru_panel(const GruShape& shape, int64_t unit, const T* packed, const GruRows<T>& rows,
                     const Visit& visit) {
  const T* panel = packed + unit / kLanes<T> * gru_panel_size<T>(shape);
  const int64_t together = gru_side_by_side<T>(shape);
  const GruSums<T, kRows> sums = unit + kLanes<T> > shape.units && together > 0
                                     ? gru_sums_side_by_side<kRows>(shape, together, panel, rows)
                                     : gru_sums<kRows>(shape, panel, rows);
  // All rows gate by gate, so that they overlap: the gates of one row are a chain of some 150
  // cycles.
  GruGates<Vec<T>> gates[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) gates[row].reset = gru_gate(sums.gates[row][0]);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) gates[row].update = gru_gate(sums.gates[row][1]);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row)
    gates[row].candidate =
        gru_candidate(gates[row].reset, sums.input_part[row], sums.gates[row][2]);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) visit(row, gates[row], sums.gates[row][2]);
}

}  // namespace midiff::MF_ISA
