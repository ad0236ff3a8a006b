// Arguments of the GRU's kernels. Tensors are contiguous.
#pragma once

#include <cstdint>

#include "csrc/cells/gru.h"

namespace midiff::cuda {

template <class T>
struct GruWeights {
  const T* ih;       // [E, 3H, I]
  const T* hh;       // [E, 3H, H]
  const T* bias_ih;  // [E, 3H]
  const T* bias_hh;  // [E, 3H]
};

template <class T>
struct GruForwardTask {
  GruShape shape;
  GruWeights<T> weights;
  const T* input;  // [E, B, T, I]
  const T* h0;     // [E, B, H]
  T* states;       // [E, B, T, H], or null
  T* last;         // [E, B, H], or null
};

// A unit's gates at a step and W_hn h + b_hn; after the sequential part of the backward pass, the
// loss's derivatives by the sums inside the gates, in the order reset, update, state part, input
// part of the candidate.
template <class T>
struct alignas(4 * sizeof(T)) GruRecord {
  T reset, update, candidate, state_part;
};

template <class T>
MF_HD GruGates<T> gates_of(const GruRecord<T>& record) {
  return {record.reset, record.update, record.candidate};
}

// `state` before the step.
template <class T>
MF_HD GruSlopes<T> slopes_of(const GruRecord<T>& record, T state) {
  return gru_slopes(gates_of(record), record.state_part, state);
}

// The derivatives by the sums inside the gates, from that by the state after the step.
template <class T>
MF_HD GruRecord<T> gru_deltas(const GruSlopes<T>& slopes, T grad) {
  return {grad * slopes.reset, grad * slopes.update, grad * slopes.state_part,
          grad * slopes.input_part};
}

// Steps [first, first + count) of every sequence, going back.
template <class T>
struct GruChunkTask {
  GruShape shape;
  GruWeights<T> weights;
  const T* input;        // [E, B, T, I]
  const T* h0;           // [E, B, H]
  const T* states;       // [E, B, T, H]
  const T* grad_states;  // [E, B, T, H], what the loss says about each state itself
  int64_t first, count;
  GruRecord<T>* records;  // [E, B, count, H]
  T* carry;               // [E, B, H]: what later steps say about the state after the chunk; then
                          // about the one before it
  bool begins;            // nothing came before: carry is not read
  T* grad_input;          // [E, B, T, I], or null
  T* partial;             // [E, chunks, 4H, sources], scratch, or null
  T* sums;  // [E, 4H, sources]: gradients of what states, inputs and 1 are multiplied with in each
            // of a unit's four sums, or null
};

// From the sums to the gradients, of which W_hh takes no input and W_ih no state.
template <class T>
struct GruCollectTask {
  GruShape shape;
  const T* sums;  // [E, 4H, sources]
  T* ih;          // [E, 3H, I]
  T* hh;          // [E, 3H, H]
  T* bias_ih;     // [E, 3H]
  T* bias_hh;     // [E, 3H]
};

}  // namespace midiff::cuda
