// The list of chaotic systems; midiff_fast/systems.py has the same, in the same order.
#pragma once

#include <cstdint>

#include "csrc/signals/lorenz.h"
#include "csrc/signals/rossler.h"

namespace midiff {

struct SystemInfo {
  const char* name;
  int64_t dimension, parameters;  // D, P
};

template <class... Listed>
struct SystemList {
  static constexpr int64_t kCount = sizeof...(Listed);
  static constexpr SystemInfo kInfo[] = {
      {Listed::kName, Listed::kDimension, Listed::kParameters}...};
};

using Systems = SystemList<  //
    Lorenz,                  //
    Rossler>;

}  // namespace midiff
