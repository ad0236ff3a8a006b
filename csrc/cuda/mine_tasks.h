// Arguments of the Donsker-Varadhan kernels: the op's tensors, contiguous, and scratch. A leading E
// on everything: members side by side. Scratch that is copied or read in pieces of 16 bytes has
// multiples of that per member.
#pragma once

#include <cstdint>

#include "csrc/cuda/mine_layout.h"
#include "csrc/mine/samples.h"

namespace midiff::cuda {

template <class T>
struct MineTask {
  MineLayout layout;
  int64_t members;
  T slope;
  bool highest;  // products as accurate as float32's, or TF32
  bool has_marginal;

  SampleRows<T> a;             // [S, A]
  SampleRows<T> b;             // [S, B]
  SampleRows<T> marginal_b;    // [S, B]; b itself without, with its noise
  SampleNoise noise;           // on a and b
  const int64_t* permutation;  // [S]; an index out of range makes NaN
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
  T* hidden;       // [width, width]
  T* hidden_bias;  // [padded]
  T* out;          // [padded]
  T* back;         // [width, width]: back[j, h] = w_out[h] W_h[h, j]
  T* back_sums;    // [padded]: sums of its rows
  T* into_inputs;  // [A + B, width]: W_aᵀ, W_bᵀ

  // Of a chunk. Bits say whether units are above 0.
  T* x;                   // [chunk, a_width]
  T* y;                   // [2, chunk, b_width], with a 1 behind b
  T* first;               // [2, chunk, width]: first layer's units
  uint32_t* first_bits;   // [2, chunk, words]
  uint32_t* second_bits;  // [2, chunk, words]
  T* score_parts;         // [tiles, 2, chunk]
  T* scores;              // [2, chunk]: T without the output bias, which cancels
  T* weights;             // [2, chunk]: 1, or exp(T - the largest yet), 0 behind the samples
  T* grad_first;          // [2, chunk, width]: by the sums inside the first layer's units

  // Of all chunks.
  double* block_sums;     // [chunks, 2, row_blocks]: of T, and of the weights
  double* block_largest;  // [chunks, row_blocks]: of T over the product's pairs
  double* largest;        // [chunks]: of T over the product's pairs up to the chunk
  double* shares;         // [chunks]: of a weight of the chunk in the mean of exp(T)
  T* hidden_parts;        // [sum_halves, splits, width, width]
  T* unit_parts;          // [sum_halves, splits, 2, padded]
  T* input_parts;         // [sum_halves, input_splits, width, in_width]
  T* hidden_sums;         // [width, width]
  T* unit_sums;           // [2, padded]
  T* product_gradient;    // [S, A + B], or [S, B] of narrow critics, whose a needs none
};

// Moves the op's tensors on by some members.
template <class T>
MF_HD void move_tensors(MineTask<T>& task, int64_t members) {
  const MineLayout& l = task.layout;
  const auto move = [members](auto*& pointer, int64_t size) {
    if (pointer != nullptr) pointer += members * size;
  };
  task.a = task.a.of_member(members);
  task.b = task.b.of_member(members);
  task.marginal_b = task.marginal_b.of_member(members);
  task.noise = task.noise.of_member(members);
  move(task.permutation, l.samples);
  move(task.weight_a, l.hidden * l.a_size);
  move(task.bias_a, l.hidden);
  move(task.weight_b, l.hidden * l.b_size);
  move(task.bias_b, l.hidden);
  move(task.weight_h, l.hidden * l.hidden);
  move(task.bias_h, l.hidden);
  move(task.weight_out, l.hidden);
  move(task.mi, 1);
  move(task.grad_a, l.samples * l.a_size);
  move(task.grad_b, l.samples * l.b_size);
  move(task.grad_marginal_b, l.samples * l.b_size);
  move(task.grad_weight_a, l.hidden * l.a_size);
  move(task.grad_bias_first, l.hidden);
  move(task.grad_weight_b, l.hidden * l.b_size);
  move(task.grad_weight_h, l.hidden * l.hidden);
  move(task.grad_bias_h, l.hidden);
  move(task.grad_weight_out, l.hidden);
}

// Calls visit(pointer, numbers of a member) for each part of the scratch.
template <class T, class Visit>
MF_HD void for_each_scratch(MineTask<T>& task, const Visit& visit) {
  const MineLayout& l = task.layout;
  const bool to_inputs = task.grad_a != nullptr, to_weights = task.grad_weight_h != nullptr;
  const int64_t pairs = kHalves * l.chunk;
  visit(task.first_a, l.width * l.a_width);
  visit(task.first_b, l.width * l.b_width);
  visit(task.hidden, l.width * l.width);
  visit(task.hidden_bias, l.padded());
  visit(task.out, l.padded());
  visit(task.back, l.width * l.width);
  visit(task.back_sums, l.padded());
  visit(task.into_inputs, (l.a_size + l.b_size) * l.width);
  visit(task.x, l.chunk * l.a_width);
  visit(task.y, pairs * l.b_width);
  const int64_t unit_pairs = l.is_narrow() ? 0 : pairs;  // units of narrow critics stay on chip
  visit(task.first, unit_pairs * l.width);
  visit(task.first_bits, pairs * l.words());
  visit(task.second_bits, pairs * l.words());
  visit(task.score_parts, l.tiles * pairs);
  visit(task.scores, pairs);
  visit(task.weights, pairs);
  visit(task.grad_first, to_inputs || to_weights ? unit_pairs * l.width : 0);
  visit(task.block_sums, l.chunks * kHalves * l.row_blocks);
  visit(task.block_largest, l.chunks * l.row_blocks);
  visit(task.largest, l.chunks);
  visit(task.shares, l.chunks);
  const int64_t of_weights = to_weights ? l.sum_halves : 0;
  visit(task.hidden_parts, of_weights * l.splits * l.width * l.width);
  visit(task.unit_parts, of_weights * l.splits * 2 * l.padded());
  visit(task.input_parts, of_weights * l.input_splits * l.width * l.in_width());
  visit(task.hidden_sums, to_weights ? l.width * l.width : 0);
  visit(task.unit_sums, to_weights ? 2 * l.padded() : 0);
  const int64_t waiting = !l.is_narrow() ? l.a_size + l.b_size : task.has_marginal ? 0 : l.b_size;
  visit(task.product_gradient, to_inputs ? l.samples * waiting : 0);
}

// One member's part of the task.
template <class T>
MF_HD MineTask<T> member_of(MineTask<T> task, int64_t member) {
  move_tensors(task, member);
  for_each_scratch(task, [member](auto*& pointer, int64_t size) { pointer += member * size; });
  return task;
}

}  // namespace midiff::cuda
