// What the GRU's kernels of one instruction set offer; free of torch.
//
// The driver (gru.cpp) packs the weights, then lets threads work on ranges of independent items:
// sequences going forward, groups of sequences going back. A group keeps its own sums of the weight
// gradients; they are added in the order of the groups, which depend on the batch size alone, so
// the result is the same for any number of threads and any ensemble around a member.
#pragma once

#include <cstdint>

#include "csrc/cells/gru.h"
#include "csrc/common/macros.h"
#include "csrc/cpu/sequences.h"

namespace midiff {

template <class T>
struct GruWeights {
  const T* ih;       // [E, 3H, I]
  const T* hh;       // [E, 3H, H]
  const T* bias_ih;  // [E, 3H]
  const T* bias_hh;  // [E, 3H]
};

template <class T>
struct GruForward {
  GruShape shape;
  Sequences<T> input;
  const T* h0;     // [E, B, H]
  const T* gates;  // from pack_gates
  T* states;       // [E, B, T, H], or null
  T* last;         // [E, B, H], or null
};

template <class T>
struct GruBackward {
  GruShape shape;
  Sequences<T> input;
  Sequences<T> grad_states;
  const T* h0;        // [E, B, H]
  const T* states;    // [E, B, T, H]
  const T* gates;     // from pack_gates
  const T* feedback;  // from pack_feedback
  T* grad_input;      // [E, B, T, I], or null
  T* grad_h0;         // [E, B, H], or null
  T* weight_sums;     // [E, groups, 4H, padded sources], or null
  int64_t groups;     // per member
};

// Where the sums of all groups go.
template <class T>
struct GruWeightGradients {
  T* ih;       // [E, 3H, I]
  T* hh;       // [E, 3H, H]
  T* bias_ih;  // [E, 3H]
  T* bias_hh;  // [E, 3H]
};

// Sizes are in elements; packed weights and scratch are aligned to 64 bytes, and scratch is zero.
template <class T>
struct GruKernelsOf {
  int64_t (*gates_size)(const GruShape&);  // of one member
  void (*pack_gates)(const GruShape&, const GruWeights<T>&, int64_t member, T* packed);
  int64_t (*forward_scratch_size)(const GruShape&);
  void (*forward)(const GruForward<T>&, int64_t first_sequence, int64_t last_sequence, T* scratch);

  int64_t (*feedback_size)(const GruShape&);  // of one member
  void (*pack_feedback)(const GruShape&, const GruWeights<T>&, int64_t member, T* packed);
  int64_t (*backward_scratch_size)(const GruShape&);
  int64_t (*weight_sums_size)(const GruShape&);  // of one group
  void (*backward)(const GruBackward<T>&, int64_t first_group, int64_t last_group, T* scratch);
  void (*add_weight_sums)(const GruShape&, const T* weight_sums, int64_t groups, int64_t member,
                          const GruWeightGradients<T>&);
};

struct GruKernels {
  GruKernelsOf<float> of_float;
  GruKernelsOf<double> of_double;
};

// Groups of sequences per member: a power of two, so that they divide evenly among cores, with at
// least 4 sequences each to share the loads of the weights.
MF_HD int64_t gru_groups(int64_t batch) {
  constexpr int64_t kLeast = 4, kMostGroups = 32;
  int64_t groups = batch > 0 ? 1 : 0;
  while (groups > 0 && groups < kMostGroups && 2 * groups * kLeast <= batch) groups *= 2;
  return groups;
}

}  // namespace midiff
