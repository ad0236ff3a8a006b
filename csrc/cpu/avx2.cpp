// The CPU kernels for avx2. The standard headers come before the target pragma, so that no inline
// function of theirs is compiled for this instruction set and then shared with the others.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#pragma GCC target("avx2,fma,bmi,bmi2,popcnt")
#define MF_ISA avx2
#define MF_VECTOR_BYTES 32
#include "csrc/cpu/kernels.inc"
#endif
