// Random arguments and comparisons, for the tests that compare kernels with a definition in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/cpp/harness.h"

namespace midiff::test {

template <class T>
inline constexpr double kTolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

inline size_t count(int64_t elements) { return static_cast<size_t>(elements); }

template <class T>
std::vector<T> normals(std::mt19937& generator, int64_t elements, double std) {
  std::normal_distribution<double> normal(0.0, std);
  std::vector<T> values(count(elements));
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

template <class T>
void expect_near(const std::vector<T>& got, const std::vector<double>& wanted) {
  MF_EXPECT(got.size() == wanted.size());
  double largest = 1.0, difference = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    MF_EXPECT(std::isfinite(got[i]));
    largest = std::max(largest, std::abs(wanted[i]));
    difference = std::max(difference, std::abs(got[i] - wanted[i]));
  }
  MF_EXPECT(difference < kTolerance<T> * largest);
}

}  // namespace midiff::test
