// The CPU kernels for any processor the compiler targets by default (SSE2, NEON).
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define MF_ISA baseline
#define MF_VECTOR_BYTES 16
#include "csrc/cpu/kernels.inc"
