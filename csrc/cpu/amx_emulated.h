// The tile unit in plain C++, for processors that have none: what is above it can be tested there.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "csrc/cpu/amx_tile.h"

namespace midiff::MF_ISA {

class EmulatedTiles {
 public:
  void configure() { std::memset(tiles_, 0, sizeof(tiles_)); }
  void release() {}

  template <int tile>
  void zero() {
    std::memset(tiles_[tile], 0, sizeof(tiles_[tile]));
  }
  template <int tile>
  void load(const void* words) {
    std::memcpy(tiles_[tile], words, sizeof(tiles_[tile]));
  }
  template <int tile>
  void store(void* words) {
    std::memcpy(words, tiles_[tile], sizeof(tiles_[tile]));
  }

  // As TDPBF16PS is defined: the first numbers of all pairs are multiplied and added up, each time
  // rounding once; the second numbers by themselves; then both sums are added to what was there.
  // Numbers too small for a normal one count as zero.
  template <int sums, int left, int right>
  void multiply() {
    for (int m = 0; m < kTileSide; ++m) {
      float first[kTileSide] = {}, second[kTileSide] = {}, row[kTileSide];
      for (int k = 0; k < kTileSide; ++k) {
        const uint32_t pair = tiles_[left][m * kTileSide + k];
        const uint32_t* with = tiles_[right] + k * kTileSide;
        for (int n = 0; n < kTileSide; ++n) {
          first[n] = fused(number(pair << 16), number(with[n] << 16), first[n]);
          second[n] = fused(number(pair), number(with[n]), second[n]);
        }
      }
      std::memcpy(row, tiles_[sums] + m * kTileSide, sizeof(row));
      for (int n = 0; n < kTileSide; ++n)
        row[n] = normal(normal(row[n]) + normal(first[n] + second[n]));
      std::memcpy(tiles_[sums] + m * kTileSide, row, sizeof(row));
    }
  }

 private:
  // Exact: a product of two bf16 numbers has 16 bits, and double adds a float32 to it with 53.
  // Twice rounded only where the two are further apart than that.
  static float fused(float a, float b, float sum) {
    return normal(static_cast<float>(static_cast<double>(a) * b + sum));
  }
  static float normal(float value) {
    const float size = value < 0 ? -value : value;
    return size < 0x1p-126f ? 0.0f : value;
  }
  static float number(uint32_t bits) {
    bits &= 0xFFFF0000u;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return normal(value);
  }

  uint32_t tiles_[8][kTileWords];
};

}  // namespace midiff::MF_ISA
