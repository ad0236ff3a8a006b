// Products that are rounded by themselves.
//
// Compilers may contract a * b + c into one operation with a single rounding, and do so differently
// from one instruction set to the next. Where a result must be the same bits everywhere (chaos
// makes another trajectory of any other rounding), its products go through here; sums are safe.
#pragma once

#include "csrc/common/macros.h"

namespace midiff {

// a * b of scalars or GNU vectors of double, never fused with a sum.
template <class A, class B>
MF_HD auto product(A a, B b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  auto value = a * b;
  // An empty instruction that takes and returns the product: the compiler cannot see through it.
#if defined(__x86_64__)
  __asm__("" : "+v"(value));
#elif defined(__aarch64__)
  __asm__("" : "+w"(value));
#endif
  return value;
#endif
}

}  // namespace midiff
