// The tile unit of the AMX kernels, as they see it: eight tiles of 16 rows x 64 bytes, of which
// multiply() takes one of float32 sums and two of bf16 pairs. The unit's own instructions are here
// where the including file defines MF_AMX; amx_emulated.h does the same anywhere.
//
// In memory a tile is 256 consecutive 32-bit words, so that a product reads one stream for each of
// its operands. Where numbers are kept to more than bf16's 8 bits, an operand has two parts: behind
// each tile follows one of what the first one lacks, so that their sum has 16 bits.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/common/macros.h"

namespace midiff::MF_ISA {

inline constexpr int kTileSide = 16;                      // rows, and words in a row
inline constexpr int kTileDepth = 32;                     // numbers in a row of a left tile
inline constexpr int kTileWords = kTileSide * kTileSide;  // 1 KB

// A product holds 2 x 2 tiles of sums: four loads for four products, which are the slower ones.
inline constexpr int kBlockSide = 2 * kTileSide;
inline constexpr int kBlockWords = 4 * kTileWords;

#if defined(MF_AMX)
// Written out: the macros of GCC 11 and 12 take no constant expression for a tile's number, and do
// not tell the compiler that a load reads memory, before which it then may not have written it.
class AmxTiles {
 public:
  // Of the calling thread, until release().
  MF_HD void configure() {
    struct alignas(64) {
      uint8_t palette, start_row, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    } all = {};
    static_assert(sizeof(all) == 64);
    all.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
      all.row_bytes[tile] = kRowBytes;
      all.rows[tile] = kTileSide;
    }
    asm volatile("ldtilecfg %0" : : "m"(all));
  }
  MF_HD void release() { asm volatile("tilerelease"); }

  template <int tile>
  MF_HD void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  MF_HD void load(const void* words) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
                 :
                 : "r"(words), "r"(kRowBytes), "i"(tile)
                 : "memory");
  }
  template <int tile>
  MF_HD void store(void* words) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
                 :
                 : "r"(words), "r"(kRowBytes), "i"(tile)
                 : "memory");
  }
  // sums[m][n] += sum over pairs of left[m][pair] · right[pair][n]
  template <int sums, int left, int right>
  MF_HD void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sums), "i"(left), "i"(right));
  }

 private:
  static constexpr int64_t kRowBytes = 64;
};
#endif

// 2 x 2 tiles of sums: left[m] x right[n] over `depth` tiles that follow one another. The second
// tile of a side is `step` words behind the first; sums are two tiles side by side, and two more
// `sums_step` words on. They begin at zero unless `add`. Of two operands of two parts, the product
// of the second parts is too small to count.
template <int left_parts, int right_parts, class Tiles>
MF_HD void multiply_block(Tiles& tiles, float* sums, int64_t sums_step, bool add,
                          const uint32_t* left, int64_t left_step, const uint32_t* right,
                          int64_t right_step, int64_t depth) {
  float* below = sums + sums_step;
  if (add) {
    tiles.template load<0>(sums);
    tiles.template load<1>(sums + kTileWords);
    tiles.template load<2>(below);
    tiles.template load<3>(below + kTileWords);
  } else {
    tiles.template zero<0>();
    tiles.template zero<1>();
    tiles.template zero<2>();
    tiles.template zero<3>();
  }
  for (int64_t k = 0; k < depth; ++k) {
    const uint32_t* last_part = right + (right_parts - 1) * kTileWords;
    tiles.template load<4>(left);
    tiles.template load<6>(last_part);
    tiles.template multiply<0, 4, 6>();
    tiles.template load<7>(last_part + right_step);
    tiles.template multiply<1, 4, 7>();
    tiles.template load<5>(left + left_step);
    tiles.template multiply<2, 5, 6>();
    tiles.template multiply<3, 5, 7>();
    if constexpr (right_parts == 2) {
      tiles.template load<6>(right);
      tiles.template multiply<0, 4, 6>();
      tiles.template multiply<2, 5, 6>();
      tiles.template load<7>(right + right_step);
      tiles.template multiply<1, 4, 7>();
      tiles.template multiply<3, 5, 7>();
    }
    if constexpr (left_parts == 2) {
      tiles.template load<4>(left + kTileWords);
      tiles.template multiply<0, 4, 6>();
      tiles.template multiply<1, 4, 7>();
      tiles.template load<5>(left + left_step + kTileWords);
      tiles.template multiply<2, 5, 6>();
      tiles.template multiply<3, 5, 7>();
    }
    left += left_parts * kTileWords;
    right += right_parts * kTileWords;
  }
  tiles.template store<0>(sums);
  tiles.template store<1>(sums + kTileWords);
  tiles.template store<2>(below);
  tiles.template store<3>(below + kTileWords);
}

}  // namespace midiff::MF_ISA
