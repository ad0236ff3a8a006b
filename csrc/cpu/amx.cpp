// The Donsker-Varadhan kernels whose products are tiles of bf16 pairs, for processors that have
// Intel's tile unit (Sapphire Rapids and later). See avx512.cpp for the order of things here.
#include "csrc/cpu/kernels.h"

#if defined(__x86_64__) && defined(__linux__) && \
    ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace midiff::amx {

// Leaf 7: amx-bf16 and amx-tile; XCR0: the state of tiles is saved by the system.
static bool processor_has_tiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kTiles = 1u << 24, kBf16 = 1u << 22, kTileState = 3u << 17;
  if ((d & kTiles) == 0 || (d & kBf16) == 0) return false;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}

// Linux saves tiles only for a process that has asked for it; its threads then have them too.
static bool system_grants_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace midiff::amx

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,avx2,fma,bmi,bmi2,popcnt,prefer-vector-width=512")
#define MF_ISA amx
#define MF_VECTOR_BYTES 64
#define MF_BF16
#define MF_AMX
#include "csrc/cpu/mine_amx_kernel.h"

namespace midiff::amx {

constexpr MineKernel<float> whole_kernel = mine_amx_kernel<AmxTiles, 1>();
constexpr MineKernel<float> split_kernel = mine_amx_kernel<AmxTiles, 2>();
const MineKernel<float>* const mine = &whole_kernel;
const MineKernel<float>* const mine_split = &split_kernel;

// One block of small integers, whose sums are exact in whatever order they are made.
static bool products_are_right() {
  alignas(64) uint32_t left[2 * kTileWords], right[2 * kTileWords];
  alignas(64) float sums[kBlockWords];
  const auto of_left = [](int row, int k) { return static_cast<float>((3 * row + 5 * k) % 7 - 3); };
  const auto of_right = [](int k, int column) {
    return static_cast<float>((2 * k + 7 * column) % 11 - 5);
  };
  for (int row = 0; row < kBlockSide; ++row)
    for (int pair = 0; pair < kTileSide; ++pair) {
      left[row * kTileSide + pair] = pair_of(of_left(row, 2 * pair), of_left(row, 2 * pair + 1));
      right[row / kTileSide * kTileWords + pair * kTileSide + row % kTileSide] =
          pair_of(of_right(2 * pair, row), of_right(2 * pair + 1, row));
    }
  for (float& sum : sums) sum = 1.0f;
  AmxTiles tiles;
  tiles.configure();
  multiply_block<1, 1>(tiles, sums, 2 * kTileWords, true, left, kTileWords, right, kTileWords, 1);
  tiles.release();
  for (int row = 0; row < kBlockSide; ++row)
    for (int column = 0; column < kBlockSide; ++column) {
      float wanted = 1.0f;
      for (int k = 0; k < kTileDepth; ++k) wanted += of_left(row, k) * of_right(k, column);
      const int tile = row / kTileSide * 2 + column / kTileSide;
      if (sums[tile * kTileWords + row % kTileSide * kTileSide + column % kTileSide] != wanted)
        return false;
    }
  return true;
}

}  // namespace midiff::amx
#pragma GCC pop_options

namespace midiff::amx {

bool usable() { return processor_has_tiles() && system_grants_tiles() && products_are_right(); }

}  // namespace midiff::amx
#else
namespace midiff::amx {

const MineKernel<float>* const mine = nullptr;
const MineKernel<float>* const mine_split = nullptr;
bool usable() { return false; }

}  // namespace midiff::amx
#endif
