// Numbers in tiles as the sum of their parts, see amx_tile.h: of one part they are rounded to
// bf16's 8 bits, of two to 16.
#pragma once

#include <cstdint>

#include "csrc/cpu/amx_tile.h"
#include "csrc/cpu/bf16.h"

namespace midiff::MF_ISA {

template <int parts>
MF_HD void store_parts(uint16_t* target, Vec<float> value) {
  for (int part = 0; part < parts; ++part) {
    store_bf16(target + part * 2 * kTileWords, value);
    value -= round_bf16(value);
  }
}

template <int parts>
MF_HD Vec<float> load_parts(const uint16_t* source) {
  Vec<float> value = load_bf16(source);
  for (int part = 1; part < parts; ++part) value += load_bf16(source + part * 2 * kTileWords);
  return value;
}

// Pair i is (first[i], second[i]).
template <int parts>
MF_HD void store_pairs(uint32_t* target, Vec<float> first, Vec<float> second) {
  for (int part = 0; part < parts; ++part) {
    store(target + part * kTileWords, pairs_across(first, second));
    first -= round_bf16(first);
    second -= round_bf16(second);
  }
}

template <int parts>
MF_HD void store_pair(uint32_t* target, float first, float second) {
  for (int part = 0; part < parts; ++part) {
    target[part * kTileWords] = pair_of(first, second);
    first -= round_bf16(broadcast(first))[0];
    second -= round_bf16(broadcast(second))[0];
  }
}

}  // namespace midiff::MF_ISA
