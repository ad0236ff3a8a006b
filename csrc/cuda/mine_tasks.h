// Arguments of the Donsker-Varadhan kernels: the op's tensors, contiguous, and scratch. A leading E
// on everything: members side by side.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_layout.h"

namespace midiff::cuda {

template <class T>
struct MineTask {
  MineLayout layout;
  int64_t members;
  T slope;
  bool highest;  // products as accurate as float32's, or TF32
  bool has_marginal;

  const T* a;                  // [S, A]
  const T* b;                  // [S, B]
  const T* marginal_b;         // [S, B]; b itself without
  const int64_t* permutation;  // [S], trusted
  const T* weight_a;           // [H, A]
  const T* bias_a;             // [H]
  const T* weight_b;           // [H, B]
  const T* bias_b;             // [H]
  const T* weight_h;           // [H, H]
  const T* bias_h;             // [H]
  const T* weight_out;         // [H]

  // Results; gradients that are not wanted are null.
  T* mi;               // []
  T* grad_a;           // [S, A]
  T* grad_b;           // [S, B]
  T* grad_marginal_b;  // [S, B]
  T* grad_weight_a;    // [H, A]
  T* grad_bias_first;  // [H]
  T* grad_weight_b;    // [H, B]
  T* grad_weight_h;    // [H, H]
  T* grad_bias_h;      // [H]
  T* grad_weight_out;  // [H]

  // Packed weights, padded with zeros.
  T* first_a;      // [width, a_width]
  T* first_b;      // [width, b_width]: W_b, and b_a + b_b behind it
  T* hidden;       // [width, width]: W_h, and b_h behind it
  T* back;         // [width, width]: back[j, h] = w_out[h] W_h[h, j]
  T* back_sums;    // [width]: sums of its rows
  T* into_inputs;  // [A + B, width]: W_aᵀ, W_bᵀ

  // Of a chunk.
  T* x;      // [chunk, a_width]
  T* y;      // [2, chunk, b_width]
  T* first;  // [2, chunk, width]: first layer's units, and a 1
  unsigned char*
      active;      // [2, chunk, width]: whether the second layer's units are above 0, and a 1
  T* score_parts;  // [tiles, 2, chunk]
  T* scores;       // [2, chunk]: T without the output bias, which cancels
  T* weights;      // [2, chunk]: 1, or exp(T - the chunk's largest), 0 behind the samples
  T* grad_first;   // [2, chunk, width]: by the sums inside the first layer's units

  // Of all chunks.
  double* block_sums;     // [chunks, 2, row_blocks]: of T, and of the weights
  double* block_largest;  // [chunks, row_blocks]: of T over the product's pairs
  double* shares;         // [chunks]: of a weight of the chunk in the mean of exp(T)
  T* hidden_parts;        // [chunks, 2, splits, width, width]
  T* input_parts;         // [chunks, 2, input_splits, width, in_width]
  T* hidden_sums;         // [width, width]
  T* product_gradient;    // [S, A + B]
};

}  // namespace midiff::cuda
