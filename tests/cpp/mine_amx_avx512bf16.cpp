// The Donsker-Varadhan kernels for tiles, on the emulated unit and with the vector code that it has
// on processors with AMX.
#include "tests/cpp/mine_amx_checks.h"

#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
#include <immintrin.h>

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi,bmi2,popcnt,prefer-vector-width=512")
#define MF_ISA emulated
#define MF_VECTOR_BYTES 64
#define MF_BF16
#include "csrc/cpu/amx_emulated.h"
#include "csrc/cpu/mine_amx_kernel.h"

namespace midiff::emulated {
static constexpr MineKernel<float> whole = mine_amx_kernel<EmulatedTiles, 1>();
static constexpr MineKernel<float> split = mine_amx_kernel<EmulatedTiles, 2>();
}  // namespace midiff::emulated
#pragma GCC pop_options

int main() {
  using namespace midiff;
  if (!runs_here(avx512::table) || !__builtin_cpu_supports("avx512bf16")) return 0;
  test::check_tiles(emulated::whole, test::kWhole);
  test::check_tiles(emulated::split, test::kSplit);
}
#else
int main() {}
#endif
