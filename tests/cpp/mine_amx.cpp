// The Donsker-Varadhan kernel for tiles, on the emulated unit and with no instruction set beyond
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
  static constexpr MineKernel<float> kernel = emulated::mine_amx_kernel<emulated::EmulatedTiles>();
  test::check_tiles(kernel);
  test::check_not_a_number(kernel);
}
