// What CPU and CUDA compilers call differently.
#pragma once

// Functions shared by host and device. Always inlined on the host: the CPU kernels are compiled
// once per instruction set, and an out-of-line copy of a shared function would be merged by the
// linker across instruction sets.
#if defined(__CUDACC__)
#define MF_HD __host__ __device__ __forceinline__
#else
#define MF_HD inline __attribute__((always_inline))
#endif
