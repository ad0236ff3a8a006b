// The CPU kernels for avx512. The standard headers come before the target pragma, so that no inline
// function of theirs is compiled for this instruction set and then shared with the others.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// GCC's own intrinsics start from an undefined vector, and it warns about that. The same code is
// compiled with these warnings for the other instruction sets.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#pragma GCC target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt,prefer-vector-width=512")
#define MF_ISA avx512
#define MF_VECTOR_BYTES 64
#include "csrc/cpu/kernels.inc"
#endif
