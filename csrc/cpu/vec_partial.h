// Loads and stores of the first few elements of a vector, for the end of a row.
#pragma once

#include "csrc/cpu/vec.h"

namespace midiff::MF_ISA {

#if defined(__x86_64__) && MF_VECTOR_BYTES == 32
namespace detail {

template <class T>
MF_HD __m256i first_lanes(int64_t count) {
  Vec<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>> lane{};
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
  return reinterpret_cast<__m256i>(lane < static_cast<decltype(lane[0] + 0)>(count));
}

}  // namespace detail
#endif

// The first min(count, lanes) elements at `source`, zeros behind them; count >= 1.
template <class T>
MF_HD Vec<T> load_first(const T* source, int64_t count) {
  if (count >= kLanes<T>) return load(source);
#if defined(__x86_64__) && MF_VECTOR_BYTES == 64
  if constexpr (sizeof(T) == 4)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), source);
  else
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), source);
#elif defined(__x86_64__) && MF_VECTOR_BYTES == 32
  if constexpr (sizeof(T) == 4)
    return _mm256_maskload_ps(source, detail::first_lanes<T>(count));
  else
    return _mm256_maskload_pd(source, detail::first_lanes<T>(count));
#else
  Vec<T> value{};
  for (int64_t i = 0; i < count; ++i) value[i] = source[i];
  return value;
#endif
}

// Writes the first min(count, lanes) elements of `value`; count >= 1.
template <class T>
MF_HD void store_first(T* target, std::common_type_t<Vec<T>> value, int64_t count) {
  if (count >= kLanes<T>) return store(target, value);
#if defined(__x86_64__) && MF_VECTOR_BYTES == 64
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_ps(target, static_cast<__mmask16>((1u << count) - 1), value);
  else
    _mm512_mask_storeu_pd(target, static_cast<__mmask8>((1u << count) - 1), value);
#elif defined(__x86_64__) && MF_VECTOR_BYTES == 32
  if constexpr (sizeof(T) == 4)
    _mm256_maskstore_ps(target, detail::first_lanes<T>(count), value);
  else
    _mm256_maskstore_pd(target, detail::first_lanes<T>(count), value);
#else
  for (int64_t i = 0; i < count; ++i) target[i] = value[i];
#endif
}

}  // namespace midiff::MF_ISA
