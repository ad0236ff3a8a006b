// The CPU kernels, one table per instruction set; which one runs is decided once, at load time.
#pragma once

#include "csrc/cpu/gru_kernel_api.h"
#include "csrc/cpu/leaky_kernel_api.h"
#include "csrc/cpu/mine_kernel_api.h"
#include "csrc/cpu/random_kernel_api.h"
#include "csrc/cpu/trajectories_kernel_api.h"

namespace midiff {

struct Kernels {
  const char* instruction_set;  // "avx512", "avx2" or "baseline"
  GruKernels gru;
  LeakyKernels leaky;
  MineKernels mine;
  RandomKernels random;
  TrajectoryKernels trajectories;
};

// The best table this processor can run; the environment variable MIDIFF_CPU names a lesser one.
const Kernels& kernels();

// Whether this processor has the table's instructions.
bool runs_here(const Kernels& table);

namespace avx512 {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace baseline {
extern const Kernels table;
}

}  // namespace midiff
