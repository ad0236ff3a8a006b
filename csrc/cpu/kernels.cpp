#include "csrc/cpu/kernels.h"

#include <cstdlib>
#include <cstring>

namespace midiff {
namespace {

const Kernels& choose() {
#if defined(__x86_64__)
  const char* wish = std::getenv("MIDIFF_CPU");
  const bool any = wish == nullptr || *wish == '\0';
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi2");
  if (has_avx512 && (any || std::strcmp(wish, "avx512") == 0)) return avx512::table;
  if (has_avx2 && (any || std::strcmp(wish, "avx512") == 0 || std::strcmp(wish, "avx2") == 0))
    return avx2::table;
#endif
  return baseline::table;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace midiff
