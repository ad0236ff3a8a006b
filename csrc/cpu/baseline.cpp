// The CPU kernels for any processor the compiler targets by default (SSE2, NEON).
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define MF_ISA baseline
#define MF_VECTOR_BYTES 16
#include "csrc/cpu/kernels.inc"
