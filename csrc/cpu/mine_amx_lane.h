// Donsker-Varadhan bound and its gradient in one pass over the samples, every product in tiles of
// bf16 pairs with float32 sums: of one part each ("medium"), or of two ("high"), which makes three
// products of most and two of those with the derivative.
//
// Per chunk, as in mine_lane.h: first layer, hidden layer, scores, weights of the samples, and
// back. Of the hidden layer only the sign bits are kept, as bf16 numbers 0 and 1, which are exact:
// with mask = slope + (1 - slope) · bit a product with the mask is one with the bits and a column
// sum. The gradient of weight_out needs no activations either: by weight_h's gradient, see
// gather_tiles.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "csrc/cpu/amx_parts.h"
#include "csrc/cpu/mine_amx_layout.h"
#include "csrc/cpu/mine_inputs.h"
#include "csrc/cpu/mine_weights.h"

namespace midiff::MF_ISA {

// out[c][r] = in[r][c] of 16 x 16 words.
MF_HD void turn_tile(const uint32_t* in, int64_t in_stride, uint32_t* out) {
  constexpr int kL = kLanes<float>;
  for (int r = 0; r < kTileSide; r += kL)
    for (int c = 0; c < kTileSide; c += kL)
      transpose_block(reinterpret_cast<const float*>(in + r * in_stride + c), in_stride, kL,
                      reinterpret_cast<float*>(out + c * kTileSide + r), kTileSide, kL);
}

template <class Tiles, int parts>
class MineAmxLane {
 public:
  MineAmxLane(const MineShape& shape, const MineSamples<float>& samples, const float* packed,
              float* sums, float* scratch)
      : shape_(shape),
        l_(shape),
        samples_(samples),
        packed_(packed),
        sums_(sums),
        scratch_(scratch),
        inputs_(l_.plain, samples, scratch) {}

  LaneResult run(int64_t first, int64_t last) {
    tiles_.configure();
    if (shape_.weight_gradients) {
      std::memset(sums_, 0, sizeof(float) * l_.sums_size());
      sums_[l_.slope()] = samples_.slope;
    }
    for (; first < last; first += l_.chunk) {
      first_ = first;
      count_ = last - first < l_.chunk ? last - first : l_.chunk;
      blocks_ = round_up(count_, kBlockSide) / kBlockSide;
      bring_in();
      for_each_row_block([&](int64_t block) {
        first_layer(block);
        hidden_layer(block);
      });
      weigh();
      if (!shape_.weight_gradients && !shape_.input_gradients) continue;
      for_each_row_block([&](int64_t block) { back_to_first_layer(block); });
      if (shape_.weight_gradients) {
        weigh_first_layer();
        hidden_gradient();
        first_gradient();
      }
      if (shape_.input_gradients) for_each_row_block([&](int64_t block) { input_gradient(block); });
    }
    tiles_.release();
    return result_;
  }

 private:
  static constexpr int kL = kLanes<float>;

  // Calls visit(block) for each block of 32 rows in use: joint samples, then product samples.
  template <class Visit>
  MF_HD void for_each_row_block(const Visit& visit) {
    for (int64_t kind = 0; kind < 2; ++kind)
      for (int64_t block = 0; block < blocks_; ++block) visit(kind * l_.chunk / kBlockSide + block);
  }

  uint32_t* words(int64_t offset) const { return reinterpret_cast<uint32_t*>(scratch_ + offset); }
  const uint32_t* packed_words(int64_t offset) const {
    return reinterpret_cast<const uint32_t*>(packed_ + offset);
  }
  // In an operand whose rows, or columns, are `depth` tiles long: the first part.
  template <int operand_parts>
  static int64_t tile_at(int64_t side, int64_t depth, int64_t tile) {
    return (side * depth + tile) * operand_parts * kTileWords;
  }
  // Row `r` of a block of 32 in a left operand.
  template <int operand_parts>
  static uint16_t* row_of_block(uint32_t* operand, int64_t block, int r, int64_t depth,
                                int64_t tile) {
    uint32_t* at = operand + tile_at<operand_parts>(2 * block + r / kTileSide, depth, tile);
    return reinterpret_cast<uint16_t*>(at + r % kTileSide * kTileSide);
  }
  // The same, of an operand as wide as the layers, whose tile is `column`.
  template <int operand_parts>
  uint16_t* row_of_units(int64_t operand, int64_t block, int r, int64_t column) const {
    return row_of_block<operand_parts>(words(operand), block, r, l_.unit_depth(), column);
  }
  // Column `c` of row `r` in a block of 2 x 2 tiles.
  static const float* in_block(const float* sums, int r, int c) {
    return sums + (r / kTileSide * 2 + c / kTileSide) * kTileWords + r % kTileSide * kTileSide +
           c % kTileSide;
  }
  static MF_HD Vec<float> activate(Vec<float> z, float slope) {
    return z > Vec<float>{} ? z : z * broadcast(slope);
  }

  // Rows of 32 samples times a right operand with as many columns as two tiles.
  template <int left_parts>
  void multiply_rows(float* sums, int64_t left, int64_t right, int64_t row_block,
                     int64_t column_block, int64_t depth) {
    multiply_block<left_parts, parts>(
        tiles_, sums, 2 * kTileWords, false,
        words(left) + tile_at<left_parts>(2 * row_block, depth, 0),
        tile_at<left_parts>(1, depth, 0),
        packed_words(right) + tile_at<parts>(2 * column_block, depth, 0),
        tile_at<parts>(1, depth, 0), depth);
  }

  // Inputs as rows for the first layer, and turned for its gradient.
  void bring_in() {
    const int64_t piece = l_.plain.chunk;
    for (int64_t begin = 0; begin < count_; begin += piece) {
      const int64_t count = count_ - begin < piece ? count_ - begin : piece;
      inputs_.bring_in(first_ + begin, count);
      for (int64_t kind = 0; kind < 2; ++kind)
        for (int64_t s = 0; s < round_up(count, kBlockSide); s += kBlockSide)
          bring_block(scratch_ + l_.plain.inputs_r() + kind * piece * l_.plain.in_rows, s,
                      (kind * l_.chunk + begin + s) / kBlockSide);
    }
  }

  void bring_block(const float* rows, int64_t s, int64_t block) {
    const int64_t depth = l_.input_depth(), width = l_.plain.in_rows;
    for (int64_t tile = 0; tile < l_.input_tiles(); ++tile) {
      alignas(64) uint32_t across[parts * kTileWords];
      for (int r = 0; r < kBlockSide; r += 2)
        for (int c = 0; c < kTileSide; c += kL) {
          const int64_t i = tile * kTileSide + c;
          Vec<float> row[2] = {};
          for (int next = 0; next < 2; ++next) {
            if (i < width)
              row[next] = load_first(rows + l_.plain.row_of(s + r + next) * width + i, width - i);
            store_parts<parts>(
                row_of_block<parts>(words(l_.inputs_along()), block, r + next, depth, tile / 2) +
                    tile % 2 * kTileSide + c,
                row[next]);
          }
          store_pairs<parts>(across + r / 2 * kTileSide + c, row[0], row[1]);
        }
      for (int part = 0; part < parts; ++part)
        turn_tile(across + part * kTileWords, kTileSide,
                  words(l_.inputs_turned()) + tile_at<parts>(tile, l_.row_depth(), block) +
                      part * kTileWords);
    }
  }

  void first_layer(int64_t block) {
    for (int64_t column = 0; column < l_.unit_depth(); ++column) {
      alignas(64) float sums[kBlockWords];
      multiply_rows<parts>(sums, l_.inputs_along(), l_.first_weights(), block, column,
                           l_.input_depth());
      const float* bias = packed_ + l_.first_bias() + column * kBlockSide;
      for (int r = 0; r < kBlockSide; ++r) {
        uint16_t* out = row_of_units<parts>(l_.first_along(), block, r, column);
        for (int c = 0; c < kBlockSide; c += kL)
          store_parts<parts>(out + c,
                             activate(load(in_block(sums, r, c)) + load(bias + c), samples_.slope));
      }
    }
  }

  // Scores, and the bits of the hidden layer's derivative: as rows and turned.
  void hidden_layer(int64_t block) {
    alignas(64) float scores[kBlockSide * kL] = {};
    for (int64_t column = 0; column < l_.unit_depth(); ++column) {
      alignas(64) float sums[kBlockWords];
      multiply_rows<parts>(sums, l_.first_along(), l_.hidden_weights(), block, column,
                           l_.unit_depth());
      const float* bias = packed_ + l_.hidden_bias() + column * kBlockSide;
      const float* out_weight = packed_ + l_.out_weights() + column * kBlockSide;
      alignas(64) uint32_t across[2 * kTileWords];
      for (int r = 0; r < kBlockSide; r += 2) {
        Vec<float> score[2] = {load(scores + r * kL), load(scores + (r + 1) * kL)};
        for (int c = 0; c < kBlockSide; c += kL) {
          Vec<uint32_t> bits[2];
          for (int next = 0; next < 2; ++next) {
            const Vec<float> z = load(in_block(sums, r + next, c)) + load(bias + c);
            score[next] += activate(z, samples_.slope) * load(out_weight + c);
            bits[next] = (Vec<uint32_t>)(z > Vec<float>{}) & kBf16One;
            store_halves(row_of_units<1>(l_.bits_along(), block, r + next, column) + c, bits[next]);
          }
          store(across + r / 2 * kBlockSide + c, bits[0] | bits[1] << 16);
        }
        store(scores + r * kL, score[0]);
        store(scores + (r + 1) * kL, score[1]);
      }
      for (int half = 0; half < 2; ++half)
        turn_tile(across + half * kTileSide, kBlockSide,
                  words(l_.bits_turned()) + tile_at<1>(2 * column + half, l_.row_depth(), block));
    }
    for (int r = 0; r < kBlockSide; ++r) {
      float score = packed_[l_.out_bias()];
      for (int lane = 0; lane < kL; ++lane) score += scores[r * kL + lane];
      scratch_[l_.scores() + block * kBlockSide + r] = score;
    }
  }

  // Weights of the samples in the two sums, and the running log-sum-exp.
  void weigh() {
    float* weight = scratch_ + l_.weight();
    const double factor = weigh_samples(result_, scratch_ + l_.scores(), l_.chunk, count_,
                                        blocks_ * kBlockSide, weight);
    if (factor != 1.0 && shape_.weight_gradients) rescale(static_cast<float>(factor));
    if (shape_.weight_gradients)
      for (int kind = 0; kind < 2; ++kind)
        for (int64_t s = 0; s < count_; ++s)
          sums_[l_.sum_weights(kind)] += weight[kind * l_.chunk + s];
    if (shape_.input_gradients)
      samples_.product_reference[first_ / l_.chunk] = result_.product.maximum;
  }

  // A new maximum: what product pairs have contributed so far counts less.
  void rescale(float factor) {
    const auto scale = [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) sums_[i] *= factor;
    };
    scale(l_.sum_hidden(1), l_.sum_hidden(2));
    scale(l_.sum_first(1), l_.sum_first(2));
    scale(l_.sum_units(1), l_.sum_units(2));
    scale(l_.sum_bits(1), l_.sum_bits(2));
    scale(l_.sum_weights(1), l_.sum_weights(2));
  }

  // delta = weight · act'(first layer) · (mask x diag(weight_out) weight_h).
  void back_to_first_layer(int64_t block) {
    const float slope = samples_.slope;
    const float* weight = scratch_ + l_.weight() + block * kBlockSide;
    for (int64_t column = 0; column < l_.unit_depth(); ++column) {
      alignas(64) float sums[kBlockWords];
      multiply_rows<1>(sums, l_.bits_along(), l_.back_weights(), block, column, l_.unit_depth());
      const float* back_sum = packed_ + l_.back_sums() + column * kBlockSide;
      for (int r = 0; r < kBlockSide; r += 2)
        for (int c = 0; c < kBlockSide; c += kL) {
          Vec<float> delta[2];
          for (int next = 0; next < 2; ++next) {
            const auto row = [&](int64_t operand) {
              return row_of_units<parts>(operand, block, r + next, column) + c;
            };
            Vec<float> d = load(in_block(sums, r + next, c)) * broadcast(1.0f - slope) +
                           load(back_sum + c) * broadcast(slope);
            d *= broadcast(weight[r + next]);
            const Vec<float> first = load_bf16(row(l_.first_along()));  // its sign
            delta[next] = first > Vec<float>{} ? d : d * broadcast(slope);
            if (shape_.input_gradients) store_parts<parts>(row(l_.delta_along()), delta[next]);
          }
          uint32_t* across = words(l_.delta_across()) +
                             tile_at<parts>(2 * column + c / kTileSide, l_.row_depth(), block);
          store_pairs<parts>(across + r / 2 * kTileSide + c % kTileSide, delta[0], delta[1]);
        }
    }
  }

  // The first layer times the samples' weights, in pairs of samples; sums over samples of it, and
  // of weighted bits.
  void weigh_first_layer() {
    for (int kind = 0; kind < 2; ++kind)
      for (int64_t unit = 0; unit < l_.units; unit += kL) {
        const int64_t column = unit / kBlockSide, c = unit % kBlockSide;
        float* sum_units = sums_ + l_.sum_units(kind) + unit;
        float* sum_bits = sums_ + l_.sum_bits(kind) + unit;
        Vec<float> units = load(sum_units), bits = load(sum_bits);
        for (int64_t b = 0; b < blocks_; ++b) {
          const int64_t block = kind * l_.chunk / kBlockSide + b;
          const float* weight = scratch_ + l_.weight() + block * kBlockSide;
          uint32_t* across =
              words(l_.first_across()) + tile_at<parts>(unit / kTileSide, l_.row_depth(), block);
          for (int r = 0; r < kBlockSide; r += 2) {
            Vec<float> first[2];
            for (int next = 0; next < 2; ++next) {
              const Vec<float> w = broadcast(weight[r + next]);
              const uint16_t* layer =
                  row_of_units<parts>(l_.first_along(), block, r + next, column);
              first[next] = load_parts<parts>(layer + c) * w;
              units += first[next];
              bits += load_bf16(row_of_units<1>(l_.bits_along(), block, r + next, column) + c) * w;
            }
            store_pairs<parts>(across + r / 2 * kTileSide + unit % kTileSide, first[0], first[1]);
          }
        }
        store(sum_units, units);
        store(sum_bits, bits);
      }
  }

  // Adds left[rows] x right[units] over the samples of a kind to sums of both.
  template <int left_parts>
  void add_over_samples(float* sums, int64_t left, int64_t left_blocks, int64_t right, int kind) {
    const int64_t depth = l_.row_depth(), begin = kind * l_.chunk / kTileDepth;
    for (int64_t row = 0; row < left_blocks; ++row)
      for (int64_t column = 0; column < l_.unit_depth(); ++column)
        multiply_block<left_parts, parts>(
            tiles_, sums + (2 * row * l_.unit_tiles() + 2 * column) * kTileWords,
            l_.unit_tiles() * kTileWords, true,
            words(left) + tile_at<left_parts>(2 * row, depth, begin),
            tile_at<left_parts>(1, depth, 0),
            words(right) + tile_at<parts>(2 * column, depth, begin), tile_at<parts>(1, depth, 0),
            blocks_);
  }

  // Sum over samples of bit[unit] · weight · first layer.
  void hidden_gradient() {
    for (int kind = 0; kind < 2; ++kind)
      add_over_samples<1>(sums_ + l_.sum_hidden(kind), l_.bits_turned(), l_.unit_depth(),
                          l_.first_across(), kind);
  }

  // Sum over samples of (a, b, 1) x delta: gradients of weight_a, weight_b and the first biases.
  void first_gradient() {
    for (int kind = 0; kind < 2; ++kind)
      add_over_samples<parts>(sums_ + l_.sum_first(kind), l_.inputs_turned(), l_.input_depth(),
                              l_.delta_across(), kind);
  }

  // delta x (weight_a, weight_b): what each sample's inputs contribute.
  void input_gradient(int64_t block) {
    const int64_t row = block * kBlockSide, kind = row >= l_.chunk;
    float* gradient = kind == 0 ? samples_.joint_gradient : samples_.product_gradient;
    for (int64_t column = 0; column < l_.input_depth(); ++column) {
      alignas(64) float sums[kBlockWords];
      multiply_rows<parts>(sums, l_.delta_along(), l_.input_weights(), block, column,
                           l_.unit_depth());
      for (int r = 0; r < kBlockSide; ++r) {
        const int64_t s = row - kind * l_.chunk + r;
        float* out = gradient + (first_ + s) * l_.in + column * kBlockSide;
        const int64_t width = l_.in - column * kBlockSide;
        for (int c = 0; s < count_ && c < kBlockSide && c < width; c += kL)
          store_first(out + c, load(in_block(sums, r, c)), width - c);
      }
    }
  }

  const MineShape& shape_;
  const MineAmxLayout<parts> l_;
  const MineSamples<float>& samples_;
  const float* packed_;
  float* sums_;
  float* scratch_;
  const MineInputs<float, float> inputs_;
  Tiles tiles_;
  int64_t first_ = 0;   // first sample of the chunk
  int64_t count_ = 0;   // samples in it
  int64_t blocks_ = 0;  // blocks of 32 samples in it
  LaneResult result_;
};

}  // namespace midiff::MF_ISA
