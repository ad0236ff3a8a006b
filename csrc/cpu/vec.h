// Vectors of the instruction set this file is being compiled for (GNU vector extensions).
//
// Included by kernels only, inside the file of one instruction set (avx512.cpp, avx2.cpp,
// baseline.cpp), which defines MF_ISA and MF_VECTOR_BYTES. Arithmetic, comparison and `mask ? x : y`
// are the compiler's own operators; what is here is what they lack.
#pragma once

#include "csrc/common/macros.h"

namespace midiff::MF_ISA {

template <class T>
using Vec [[gnu::vector_size(MF_VECTOR_BYTES)]] = T;

// Elements of type T in one vector.
template <class T>
inline constexpr int kLanes = MF_VECTOR_BYTES / static_cast<int>(sizeof(T));

template <class T>
MF_HD Vec<T> load(const T* source) {
  Vec<T> value;
  __builtin_memcpy(&value, source, MF_VECTOR_BYTES);
  return value;
}

template <class T>
MF_HD void store(T* target, Vec<T> value) {
  __builtin_memcpy(target, &value, MF_VECTOR_BYTES);
}

template <class T>
MF_HD Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

}  // namespace midiff::MF_ISA
