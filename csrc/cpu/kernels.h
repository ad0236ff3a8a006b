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

// The kernel with products of bf16 pairs; null where this processor has none, where the compiler
// had none, or where MIDIFF_CPU names any instruction set.
const MineKernel<float>* bf16_mine();

// Whether that one multiplies in the tiles of AMX.
bool bf16_in_tiles();

// The kernel with products of numbers split in two bf16 ones, in those tiles; null without them.
const MineKernel<float>* split_bf16_mine();

namespace avx512 {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512bf16 {
extern const MineKernel<float>* const mine;  // or null
}
namespace amx {
extern const MineKernel<float>* const mine;        // or null
extern const MineKernel<float>* const mine_split;  // or null
// Whether processor and system have tiles, and they multiply as they should; asks the system for
// them. Only where AVX-512 with bf16 runs.
bool usable();
}  // namespace amx
namespace baseline {
extern const Kernels table;
}

}  // namespace midiff
