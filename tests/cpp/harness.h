// What the C++ tests share: they call the torch-free kernels of every instruction set this
// processor has, and are built with -fsanitize=address,undefined.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "csrc/cpu/kernels.h"

#define MF_EXPECT(condition)                                                       \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                \
    }                                                                              \
  } while (false)

namespace midiff::test {

// Calls test(kernels) for each table that runs here.
template <class Test>
void for_each_instruction_set(const Test& test) {
  test(baseline::table);
#if defined(__x86_64__)
  if (runs_here(avx2::table)) test(avx2::table);
  if (runs_here(avx512::table)) test(avx512::table);
#endif
}

}  // namespace midiff::test
