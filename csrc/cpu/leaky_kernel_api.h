// What the leaky RNN's kernels of one instruction set offer; free of torch.
//
// The driver (leaky.cpp) packs the weights, then lets threads work on ranges of independent items:
// sequences going forward, groups of sequences going back. A group keeps its own sums of the weight
// gradients; they are added in the order of the groups, which depend on the batch size alone, so
// the result is the same for any number of threads and any ensemble around a member.
#pragma once

#include <cstdint>

#include "csrc/cells/leaky.h"
#include "csrc/common/macros.h"
#include "csrc/cpu/sequences.h"

namespace midiff {

template <class T>
struct LeakyForward {
  LeakyShape shape;
  T leak;  // 1 - α
  Sequences<T> input;
  Sequences<T> noise;  // data may be null
  const T* h0;         // [E, B, N]
  const T* packed;     // from pack_forward
  T* states;           // [E, B, T, N], or null
  T* last;             // [E, B, N], or null
};

template <class T>
struct LeakyBackward {
  LeakyShape shape;
  T leak;
  Sequences<T> input;
  Sequences<T> grad_states;
  const T* h0;      // [E, B, N]
  const T* states;  // [E, B, T, N]
  const T* packed;  // from pack_backward
  T* grad_input;    // [E, B, T, I], or null
  T* grad_h0;       // [E, B, N], or null
  T* grad_noise;    // [E, B, T, N], or null
  T* weight_sums;   // [E, groups, N, padded sources], or null
  int64_t groups;   // per member
};

template <class T>
struct LeakyWeights {
  const T* ih;    // [E, N, I]
  const T* hh;    // [E, N, N]
  const T* bias;  // [E, N]
  T alpha;
};

// Where the sums of all groups go; each may be null.
template <class T>
struct LeakyWeightGradients {
  T* ih;    // [E, N, I]
  T* hh;    // [E, N, N]
  T* bias;  // [E, N]
  T alpha;
};

// Sizes are in elements; packed weights and scratch are aligned to 64 bytes, and scratch is zero.
template <class T>
struct LeakyKernelsOf {
  int64_t (*forward_packed_size)(const LeakyShape&);  // of one member
  void (*pack_forward)(const LeakyShape&, const LeakyWeights<T>&, int64_t member, T* packed);
  int64_t (*forward_scratch_size)(const LeakyShape&);
  void (*forward)(const LeakyForward<T>&, int64_t first_sequence, int64_t last_sequence,
                  T* scratch);

  int64_t (*backward_packed_size)(const LeakyShape&);  // of one member
  void (*pack_backward)(const LeakyShape&, const LeakyWeights<T>&, int64_t member, T* packed);
  int64_t (*backward_scratch_size)(const LeakyShape&);
  int64_t (*weight_sums_size)(const LeakyShape&);  // of one group
  void (*backward)(const LeakyBackward<T>&, int64_t first_group, int64_t last_group, T* scratch);
  void (*add_weight_sums)(const LeakyShape&, const T* weight_sums, int64_t groups, int64_t member,
                          const LeakyWeightGradients<T>&);
};

struct LeakyKernels {
  LeakyKernelsOf<float> of_float;
  LeakyKernelsOf<double> of_double;
};

// Sequences that go through a step together; their sums stay in registers.
inline constexpr int64_t kLeakyBlock = 5;

// Groups of sequences per member: a block each, while the sums of all groups stay small.
MF_HD int64_t leaky_groups(int64_t batch) {
  constexpr int64_t kMostGroups = 32;
  const int64_t blocks = (batch + kLeakyBlock - 1) / kLeakyBlock;
  return blocks < kMostGroups ? blocks : kMostGroups;
}

}  // namespace midiff
