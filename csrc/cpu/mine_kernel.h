// The Donsker-Varadhan kernel around its lanes: weights into the layout they read, and their sums
// back into gradients.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "csrc/cpu/mine_lane.h"
#include "csrc/cpu/mine_layout.h"

namespace midiff::MF_ISA {

template <class T, class Factor>
void pack_critic(const MineShape& shape, const CriticWeights<T>& w, T* packed) {
  const MineLayout<T, Factor> l(shape);
  constexpr int kP = kPanel<T>, kNumbers = kFactorNumbers<T, Factor>;
  Factor* factors = reinterpret_cast<Factor*>(packed);
  // Factor `i` of a row of `size` weights, 0 behind its end.
  const auto factor = [](const T* row, int64_t size, int64_t i) {
    const T first = row[kNumbers * i];
    if constexpr (kNumbers == 1)
      return first;
    else
      return pair_of(first, 2 * i + 1 < size ? row[2 * i + 1] : T(0));
  };
  std::memset(packed, 0, sizeof(T) * l.packed_size());
  const auto input_weight = [&](int64_t unit, int64_t input) {
    return input < l.a ? w.weight_a[unit * l.a + input] : w.weight_b[unit * l.b + input - l.a];
  };
  for (int64_t unit = 0; unit < l.hidden; ++unit) {
    for (int64_t i = 0; i < l.in; ++i)
      packed[l.input_weights() + unit * l.in_panels * kP + i] = input_weight(unit, i);
    Factor* first = factors + l.first_weights() + unit / 4 * l.in_factors * 4 + unit % 4;
    for (int64_t i = 0; i < l.a_factors; ++i)
      first[4 * i] = factor(w.weight_a + unit * l.a, l.a, i);
    for (int64_t i = 0; i < l.b_factors; ++i)
      first[4 * (l.a_factors + i)] = factor(w.weight_b + unit * l.b, l.b, i);
    packed[l.first_bias() + unit] = w.bias_a[unit] + w.bias_b[unit];
    packed[l.hidden_bias() + unit] = w.bias_h[unit];
    packed[l.out_weights() + unit] = w.weight_out[unit];
    for (int64_t j = 0; j < l.hidden; ++j)
      packed[l.back_weights() + (j / kP * l.units + unit) * kP + j % kP] =
          w.weight_out[unit] * w.weight_h[unit * l.hidden + j];
  }
  packed[l.out_bias()] = w.bias_out;
  for_each_row_block(l.units, [&](int64_t unit, auto rows) {
    constexpr int kRows = decltype(rows)::value;
    Factor* block = factors + l.hidden_weights() + unit * l.unit_factors;
    for (int64_t m = 0; m < kRows && unit + m < l.hidden; ++m)
      for (int64_t j = 0; kNumbers * j < l.hidden; ++j)
        block[j * kRows + m] = factor(w.weight_h + (unit + m) * l.hidden, l.hidden, j);
  });
}

// MI = joint_sum / S - (log sum exp - log S): each lane's joint sums count 1 / S, its product sums
// exp(lane maximum) / sum of exp.
template <class T, class Factor>
void gather_lanes(const MineShape& shape, int64_t samples, const T* packed, int64_t lanes,
                  const LaneResult* results, const T* sums, const CriticGradients<T>& out) {
  const MineLayout<T, Factor> l(shape);
  constexpr int kL = kLanes<T>;
  constexpr int kP = kPanel<T>;
  LogSumExp total;
  for (int64_t lane = 0; lane < lanes; ++lane) total.merge(results[lane].product);
  const T joint_share = static_cast<T>(1.0 / static_cast<double>(samples));

  clear_gradients(shape, out);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const T* sum = sums + lane * l.sums_size();
    const T product_share = static_cast<T>(total.share(results[lane].product.maximum));
    const auto difference = [&](int64_t joint, int64_t product) {
      return sum[joint] * joint_share - sum[product] * product_share;
    };
    for (int64_t unit = 0; unit < l.hidden; ++unit) {
      const T out_weight = packed[l.out_weights() + unit];
      for (int64_t j = 0; j < l.hidden; j += kP) {
        T* row = out.weight_h + unit * l.hidden + j;
        const int64_t at = (j / kP * l.units + unit) * kP;
        const int64_t width = l.hidden - j < kP ? l.hidden - j : kP;
        for (int64_t i = 0; i < width; ++i)
          row[i] += out_weight * difference(l.sum_hidden(0) + at + i, l.sum_hidden(1) + at + i);
      }
      const auto first = [&](int64_t input) {
        const int64_t at = (unit / kP * l.in_rows + input) * kP + unit % kP;
        return difference(l.sum_first(0) + at, l.sum_first(1) + at);
      };
      for (int64_t i = 0; i < l.a; ++i) out.weight_a[unit * l.a + i] += first(i);
      for (int64_t i = 0; i < l.b; ++i) out.weight_b[unit * l.b + i] += first(l.a + i);
      out.bias_first[unit] += first(l.in);
      T bias = 0, weight = 0;
      for (int64_t v = 0; v < kL; ++v) {
        const int64_t at = unit * kL + v;
        bias += difference(l.sum_bias(0) + at, l.sum_bias(1) + at);
        weight += difference(l.sum_out(0) + at, l.sum_out(1) + at);
      }
      out.bias_h[unit] += out_weight * bias;
      out.weight_out[unit] += weight;
    }
  }
}

template <class T, class Factor = T>
constexpr MineKernel<T> mine_kernel() {
  using Layout = MineLayout<T, Factor>;
  return {
      [](const MineShape& shape) { return Layout(shape).chunk; },
      [](const MineShape& shape) { return Layout(shape).packed_size(); },
      [](const MineShape& shape) { return Layout(shape).sums_size(); },
      [](const MineShape& shape) { return Layout(shape).scratch_size(); },
      pack_critic<T, Factor>,
      [](const MineShape& shape, const MineSamples<T>& samples, const T* packed, int64_t first,
         int64_t last, T* sums, T* scratch) {
        return MineLane<T, Factor>(shape, samples, packed, sums, scratch).run(first, last);
      },
      gather_lanes<T, Factor>,
  };
}

constexpr MineKernels mine_kernels() { return {mine_kernel<float>(), mine_kernel<double>()}; }

}  // namespace midiff::MF_ISA
