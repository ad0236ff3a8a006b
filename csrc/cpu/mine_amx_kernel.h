// The Donsker-Varadhan kernel for tiles around its lanes: weights into the layout they read, and
// their sums back into gradients.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "csrc/cpu/mine_amx_lane.h"

namespace midiff::MF_ISA {

// Packs number(depth, column) of a `depth` x `columns` matrix as a right operand (see
// mine_amx_layout.h); both sizes are multiples of a block.
template <int parts, class Number>
MF_HD void pack_right(uint32_t* out, int64_t depth, int64_t columns, const Number& number) {
  for (int64_t column = 0; column < columns; ++column) {
    uint32_t* tiles = out + column / kTileSide * (depth / kTileDepth) * parts * kTileWords;
    for (int64_t pair = 0; pair < depth / 2; ++pair)
      store_pair<parts>(tiles + pair / kTileSide * parts * kTileWords +
                            pair % kTileSide * kTileSide + column % kTileSide,
                        number(2 * pair, column), number(2 * pair + 1, column));
  }
}

template <int parts>
void pack_tiles(const MineShape& shape, const CriticWeights<float>& w, float* packed) {
  const MineAmxLayout<parts> l(shape);
  std::memset(packed, 0, sizeof(float) * l.packed_size());
  uint32_t* words = reinterpret_cast<uint32_t*>(packed);
  const auto input_weight = [&](int64_t input, int64_t unit) {
    if (unit >= l.hidden || input >= l.in) return 0.0f;
    const int64_t a = shape.a_size, b = shape.b_size;
    return input < a ? w.weight_a[unit * a + input] : w.weight_b[unit * b + input - a];
  };
  const auto hidden_weight = [&](int64_t from, int64_t to) {
    return from < l.hidden && to < l.hidden ? w.weight_h[to * l.hidden + from] : 0.0f;
  };
  pack_right<parts>(words + l.first_weights(), l.inputs, l.units, input_weight);
  pack_right<parts>(words + l.input_weights(), l.units, l.inputs,
                    [&](int64_t unit, int64_t input) { return input_weight(input, unit); });
  pack_right<parts>(words + l.hidden_weights(), l.units, l.units, hidden_weight);
  pack_right<parts>(words + l.back_weights(), l.units, l.units, [&](int64_t to, int64_t from) {
    return to < l.hidden ? w.weight_out[to] * hidden_weight(from, to) : 0.0f;
  });
  for (int64_t unit = 0; unit < l.hidden; ++unit) {
    packed[l.first_bias() + unit] = w.bias_a[unit] + w.bias_b[unit];
    packed[l.hidden_bias() + unit] = w.bias_h[unit];
    packed[l.out_weights() + unit] = w.weight_out[unit];
    for (int64_t j = 0; j < l.hidden; ++j)
      packed[l.back_sums() + j] += w.weight_out[unit] * w.weight_h[unit * l.hidden + j];
  }
  packed[l.out_bias()] = w.bias_out;
}

// Shares as in gather_lanes. The mask is slope + (1 - slope) · bit, and as mask · z is what the
// hidden layer puts out, weight_out's gradient is
//   sum over samples of weight · mask · (weight_h · first layer + bias_h)
//   = weight_h · (weight_h's gradient but for weight_out) + bias_h · (bias_h's but for weight_out).
template <int parts>
void gather_tiles(const MineShape& shape, int64_t samples, const float* packed, int64_t lanes,
                  const LaneResult* results, const float* sums, const CriticGradients<float>& out) {
  const MineAmxLayout<parts> l(shape);
  const int64_t a = shape.a_size, b = shape.b_size;
  const uint32_t* weights = reinterpret_cast<const uint32_t*>(packed) + l.hidden_weights();
  // As the hidden layer multiplies by it: rounded.
  const auto hidden_weight = [&](int64_t unit, int64_t j) {
    const int64_t tile = unit / kTileSide * l.unit_depth() + j / kTileDepth;
    float weight = 0;
    for (int part = 0; part < parts; ++part) {
      const uint32_t pair = weights[(tile * parts + part) * kTileWords +
                                    j % kTileDepth / 2 * kTileSide + unit % kTileSide];
      const uint32_t bits = j % 2 == 0 ? pair << 16 : pair & 0xFFFF0000u;
      float number;
      std::memcpy(&number, &bits, sizeof(number));
      weight += number;
    }
    return weight;
  };
  LogSumExp total;
  for (int64_t lane = 0; lane < lanes; ++lane) total.merge(results[lane].product);
  const float joint_share = static_cast<float>(1.0 / static_cast<double>(samples));

  clear_gradients(shape, out);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const float* sum = sums + lane * l.sums_size();
    const float product_share = static_cast<float>(total.share(results[lane].product.maximum));
    const auto difference = [&](int64_t joint, int64_t product) {
      return sum[joint] * joint_share - sum[product] * product_share;
    };
    const auto of_tiles = [&](int64_t joint, int64_t product, int64_t row, int64_t column) {
      const int64_t at = (row / kTileSide * l.unit_tiles() + column / kTileSide) * kTileWords +
                         row % kTileSide * kTileSide + column % kTileSide;
      return difference(joint + at, product + at);
    };
    const float slope = sum[l.slope()], bit = 1.0f - slope;
    const float weight_sum = difference(l.sum_weights(0), l.sum_weights(1));
    for (int64_t unit = 0; unit < l.hidden; ++unit) {
      const float out_weight = packed[l.out_weights() + unit];
      float of_out = 0;
      for (int64_t j = 0; j < l.hidden; ++j) {
        const float gradient = bit * of_tiles(l.sum_hidden(0), l.sum_hidden(1), unit, j) +
                               slope * difference(l.sum_units(0) + j, l.sum_units(1) + j);
        out.weight_h[unit * l.hidden + j] += out_weight * gradient;
        of_out += hidden_weight(unit, j) * gradient;
      }
      const float bias =
          bit * difference(l.sum_bits(0) + unit, l.sum_bits(1) + unit) + slope * weight_sum;
      out.bias_h[unit] += out_weight * bias;
      out.weight_out[unit] += of_out + packed[l.hidden_bias() + unit] * bias;
      const auto first = [&](int64_t input) {
        return of_tiles(l.sum_first(0), l.sum_first(1), input, unit);
      };
      for (int64_t i = 0; i < a; ++i) out.weight_a[unit * a + i] += first(i);
      for (int64_t i = 0; i < b; ++i) out.weight_b[unit * b + i] += first(a + i);
      out.bias_first[unit] += first(l.in);
    }
  }
}

// Numbers of `parts` parts.
template <class Tiles, int parts>
constexpr MineKernel<float> mine_amx_kernel() {
  return {
      [](const MineShape& shape) { return MineAmxLayout<parts>(shape).chunk; },
      [](const MineShape& shape) { return MineAmxLayout<parts>(shape).packed_size(); },
      [](const MineShape& shape) { return MineAmxLayout<parts>(shape).sums_size(); },
      [](const MineShape& shape) { return MineAmxLayout<parts>(shape).scratch_size(); },
      pack_tiles<parts>,
      [](const MineShape& shape, const MineSamples<float>& samples, const float* packed,
         int64_t first, int64_t last, float* sums, float* scratch) {
        return MineAmxLane<Tiles, parts>(shape, samples, packed, sums, scratch).run(first, last);
      },
      gather_tiles<parts>,
  };
}

}  // namespace midiff::MF_ISA
