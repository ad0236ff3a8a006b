// The Donsker-Varadhan kernel whose dense products multiply pairs of bf16 numbers, for processors
// that have AVX-512's instruction for them (Zen 4, Cooper Lake, Sapphire Rapids and later). See
// avx512.cpp for the order of things here.
#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
#include <immintrin.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#pragma GCC target( \
    "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi,bmi2,popcnt,prefer-vector-width=512")
#define MF_ISA avx512bf16
#define MF_VECTOR_BYTES 64
#define MF_BF16
#include "csrc/cpu/kernels.h"
#include "csrc/cpu/mine_kernel.h"

namespace midiff::avx512bf16 {

constexpr MineKernel<float> kernel = mine_kernel<float, Bf16Pair>();
const MineKernel<float>* const mine = &kernel;

}  // namespace midiff::avx512bf16
#else
#include "csrc/cpu/kernels.h"

namespace midiff::avx512bf16 {

const MineKernel<float>* const mine = nullptr;

}  // namespace midiff::avx512bf16
#endif
