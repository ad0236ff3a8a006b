#include "csrc/cpu/kernels.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace midiff {
namespace {

// What MIDIFF_CPU names; null for nothing.
const char* wished() {
  const char* name = std::getenv("MIDIFF_CPU");
  return name == nullptr || *name == '\0' ? nullptr : name;
}

const Kernels& choose() {
#if defined(__x86_64__)
  const char* wish = wished();
  const bool any = wish == nullptr;
  // From the best down to the wished one, the first that runs.
  bool allowed = any;
  for (const Kernels* table : {&avx512::table, &avx2::table}) {
    allowed = allowed || std::strcmp(wish, table->instruction_set) == 0;
    if (allowed && runs_here(*table)) return *table;
  }
#endif
  return baseline::table;
}

}  // namespace

bool runs_here(const Kernels& table) {
#if defined(__x86_64__)
  if (&table == &avx512::table)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           runs_here(avx2::table);
  if (&table == &avx2::table)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
#endif
  return &table == &baseline::table;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

const MineKernel<float>* bf16_mine() {
#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
  static const bool runs =
      wished() == nullptr && runs_here(avx512::table) && __builtin_cpu_supports("avx512bf16");
  static const MineKernel<float>* const chosen = !runs           ? nullptr
                                                 : amx::usable() ? amx::mine
                                                                 : avx512bf16::mine;
  return chosen;
#else
  return nullptr;
#endif
}

bool bf16_in_tiles() { return bf16_mine() != nullptr && bf16_mine() == amx::mine; }

const MineKernel<float>* split_bf16_mine() { return bf16_in_tiles() ? amx::mine_split : nullptr; }

}  // namespace midiff
