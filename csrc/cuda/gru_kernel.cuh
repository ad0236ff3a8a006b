// The gated recurrent unit on the device: a block steps a few sequences of one member from the
// first step to the last, with the weights on chip and one barrier a step.
//
// Resident kernels (float32, up to 128 units). At H = 100 a step is 30,000 products, 234 cycles of
// the multiprocessor's 128 lanes; what is left of the step is latency, and a block with four
// sequences hides much of it behind the others' products. Everything that is not a product is done
// by every warp, so there are few warps, each with as many weights as its registers hold. Backward
// goes in chunks of time: gates from the saved states, all steps at once; the sequential part, with
// W_hhᵀ resident; the weights' gradients as one product (weight_sums.cuh).
//
// Plain kernels: any size, float64 for checks; a warp per row, weights through the caches.
#pragma once

#include "csrc/cuda/gru_backward_kernel.cuh"
#include "csrc/cuda/gru_forward_kernel.cuh"
#include "csrc/cuda/gru_gates_kernel.cuh"
#include "csrc/cuda/gru_gradient_kernel.cuh"
#include "csrc/cuda/gru_plain_kernel.cuh"
