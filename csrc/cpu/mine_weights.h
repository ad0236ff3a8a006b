// What the Donsker-Varadhan kernels do the same way, however they multiply: weights of the samples
// of a chunk, and gradients set to zero.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "csrc/common/macros.h"
#include "csrc/cpu/mine_kernel_api.h"

namespace midiff::MF_ISA {

// Weights of `count` samples in the two sums, and the lane's sums with them. Of `scores` and
// `weight`, product pairs are `chunk` behind joint ones; weights up to `padded` are 0. Returns what
// the product pairs before these count from now on.
template <class T>
MF_HD double weigh_samples(LaneResult& result, const T* scores, int64_t chunk, int64_t count,
                           int64_t padded, T* weight) {
  const T* product = scores + chunk;
  double maximum = -HUGE_VAL;
  for (int64_t s = 0; s < count; ++s) {
    result.joint_sum += scores[s];
    maximum = product[s] > maximum ? product[s] : maximum;
  }
  const double factor = result.product.raise(maximum);
  for (int64_t s = 0; s < padded; ++s) {
    weight[s] = s < count ? T(1) : T(0);
    weight[chunk + s] = s < count ? static_cast<T>(result.product.add(product[s])) : T(0);
  }
  return factor;
}

template <class T>
MF_HD void clear_gradients(const MineShape& shape, const CriticGradients<T>& out) {
  const auto zero = [](T* to, int64_t count) { std::memset(to, 0, sizeof(T) * count); };
  zero(out.weight_a, shape.hidden * shape.a_size);
  zero(out.weight_b, shape.hidden * shape.b_size);
  zero(out.bias_first, shape.hidden);
  zero(out.weight_h, shape.hidden * shape.hidden);
  zero(out.bias_h, shape.hidden);
  zero(out.weight_out, shape.hidden);
}

}  // namespace midiff::MF_ISA
