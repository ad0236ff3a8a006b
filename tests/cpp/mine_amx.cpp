// The Donsker-Varadhan kernels for tiles, on the emulated unit and with no instruction set beyond
// the baseline.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "tests/cpp/mine_amx_checks.h"

#define MF_ISA emulated
#define MF_VECTOR_BYTES 16
#include "csrc/cpu/amx_emulated.h"
#include "csrc/cpu/mine_amx_kernel.h"

int main() {
  using namespace midiff;
  using Tiles = emulated::EmulatedTiles;
  static constexpr MineKernel<float> whole = emulated::mine_amx_kernel<Tiles, 1>();
  static constexpr MineKernel<float> split = emulated::mine_amx_kernel<Tiles, 2>();
  test::check_tiles(whole, test::kWhole);
  test::check_tiles(split, test::kSplit);
}
