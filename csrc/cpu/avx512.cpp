// The CPU kernels for avx512. The standard headers come before the target pragma, so that no inline
// function of theirs is compiled for this instruction set and then shared with the others.
#if defined(__x86_64__)
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt,prefer-vector-width=512")
#define MF_ISA avx512
#define MF_VECTOR_BYTES 64
#include "csrc/cpu/kernels.inc"
#endif
