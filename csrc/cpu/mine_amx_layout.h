// How the Donsker-Varadhan kernel for tiles lays out packed weights, gradient sums and scratch.
//
// Operands are stored as tiles (amx_tile.h) in the order in which a product reads them:
//   left   [row tile][depth tile][part][16 rows][16 pairs along the depth]
//   right  [column tile][depth tile][part][16 pairs along the depth][16 columns]
// Inputs and units are padded to blocks of 32 with zero weights; padded units stay zero throughout.
#pragma once

#include <cstdint>

#include "csrc/cpu/amx_tile.h"
#include "csrc/cpu/mine_layout.h"

namespace midiff::MF_ISA {

// Every operand has `parts` parts but the bits of the hidden layer's derivative, which are exact.
template <int parts>
struct MineAmxLayout {
  explicit MineAmxLayout(const MineShape& shape)
      : plain({shape.a_size, shape.b_size, kPlainHidden, false, false}),
        in(shape.a_size + shape.b_size),
        hidden(shape.hidden),
        inputs(round_up(in + 1, kBlockSide)),
        units(round_up(hidden, kBlockSide)),
        chunk(chunk_size(units, plain.chunk)) {}

  // Five matrices of bf16 as large as a chunk: 2.5 MB, of which three are in use at a time beside
  // half a megabyte of weights (H = 512); of two parts, nearly twice that. The gradient sums (2 MB)
  // pass through once a chunk, hence not smaller. A multiple of the chunks that inputs are brought
  // in by.
  static int64_t chunk_size(int64_t units, int64_t piece) {
    constexpr int64_t kElements = 256 * 512;
    const int64_t wish = kElements / units;
    return wish < piece ? piece : (wish < 256 ? wish : 256) / piece * piece;
  }

  // Inputs are brought in as for the plain kernel at a width that makes its chunks 128 samples.
  static constexpr int64_t kPlainHidden = 512;

  MineLayout<float> plain;
  int64_t in, hidden;
  int64_t inputs;  // with a constant 1 for the bias
  int64_t units;
  int64_t chunk;  // samples of each kind (joint, product)

  int64_t input_tiles() const { return inputs / kTileSide; }
  int64_t unit_tiles() const { return units / kTileSide; }
  int64_t input_depth() const { return inputs / kTileDepth; }
  int64_t unit_depth() const { return units / kTileDepth; }
  int64_t rows() const { return 2 * chunk; }  // all joint samples, then all product samples
  int64_t row_depth() const { return rows() / kTileDepth; }

  // Packed weights, in words.
  int64_t first_weights() const { return 0; }                          // right [inputs x units]
  int64_t hidden_weights() const { return of_parts(units * inputs); }  // right [units x units]
  int64_t back_weights() const {
    return hidden_weights() + of_parts(square());
  }  // right [units x units]
  int64_t input_weights() const {
    return back_weights() + of_parts(square());
  }  // right [units x inputs]
  int64_t first_bias() const { return input_weights() + of_parts(units * inputs); }  // [units]
  int64_t hidden_bias() const { return first_bias() + units; }                       // [units]
  int64_t out_weights() const { return hidden_bias() + units; }                      // [units]
  int64_t back_sums() const { return out_weights() + units; }                        // [units]
  int64_t out_bias() const { return back_sums() + units; }                           // [1]
  int64_t packed_size() const { return out_bias() + kTileSide; }

  // Gradient sums of one lane; twice each, joint then product. Those of masks count their bits.
  int64_t sum_hidden(int kind) const { return kind * square(); }  // [unit tile][unit tile] tiles
  int64_t sum_first(int kind) const {                             // [input tile][unit tile] tiles
    return sum_hidden(2) + kind * inputs * units;
  }
  int64_t sum_units(int kind) const { return sum_first(2) + kind * units; }  // weight · first layer
  int64_t sum_bits(int kind) const { return sum_units(2) + kind * units; }   // weight · mask's bit
  int64_t sum_weights(int kind) const { return sum_bits(2) + kind * kTileSide; }  // [1]
  int64_t slope() const { return sum_weights(2); }  // no sum, but what turns bits into masks
  int64_t sums_size() const { return slope() + kTileSide; }

  // Scratch of one thread, in words; MineLayout's begins it, of which only what
  // belongs to inputs is touched.
  int64_t inputs_along() const {
    return round_up(plain.scratch_size(), kTileSide);
  }  // left [rows x inputs]
  int64_t inputs_turned() const {
    return inputs_along() + of_parts(rows() * inputs);
  }  // left [inputs x rows]
  int64_t first_along() const {
    return inputs_turned() + of_parts(rows() * inputs);
  }  // left [rows x units]
  int64_t bits_along() const { return first_along() + wide(); }          // left [rows x units]
  int64_t bits_turned() const { return bits_along() + wide() / parts; }  // left [units x rows]
  int64_t first_across() const {
    return bits_turned() + wide() / parts;
  }  // right [rows x units], weighted
  int64_t delta_across() const { return first_across() + wide(); }  // right [rows x units]
  int64_t delta_along() const { return delta_across() + wide(); }   // left [rows x units]
  int64_t scores() const { return delta_along() + wide(); }         // [rows]
  int64_t weight() const { return scores() + rows(); }              // [rows]
  int64_t scratch_size() const { return weight() + rows(); }

 private:
  int64_t square() const { return units * units; }
  int64_t wide() const { return of_parts(rows() * units); }
  // Words of an operand of so many numbers.
  static int64_t of_parts(int64_t numbers) { return numbers / 2 * parts; }
};

}  // namespace midiff::MF_ISA
