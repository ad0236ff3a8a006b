// Arguments of the leaky RNN's kernels. Tensors are contiguous.
#pragma once

#include "csrc/cells/leaky.h"

namespace midiff::cuda {

template <class T>
struct LeakyForwardTask {
  LeakyShape shape;
  T alpha;
  const T* input;      // [E, B, T, I]
  const T* h0;         // [E, B, N]
  const T* weight_ih;  // [E, N, I]
  const T* weight_hh;  // [E, N, N]
  const T* bias;       // [E, N]
  const T* noise;      // [E, B, T, N], or null
  T* states;           // [E, B, T, N], or null
  T* last;             // [E, B, N], or null
};

// The sequential part: the whole gradient of every state.
template <class T>
struct LeakyBackwardTask {
  LeakyShape shape;
  T alpha;
  const T* grad_states;  // [E, B, T, N], what the loss says about each state itself
  const T* states;       // [E, B, T, N]
  const T* h0;           // [E, B, N]
  const T* weight_hh;    // [E, N, N]
  T* grad_noise;         // [E, B, T, N], dL/dx_t, which is also the gradient of the noise
  T* grad_h0;            // [E, B, N], or null
};

// The parallel part.
template <class T>
struct LeakyGradientTask {
  LeakyShape shape;
  T alpha;
  const T* grad_noise;  // [E, B, T, N]
  const T* states;      // [E, B, T, N]
  const T* h0;          // [E, B, N]
  const T* input;       // [E, B, T, I]
  const T* weight_ih;   // [E, N, I]
  T* grad_input;        // [E, B, T, I], or null
  T* partial;           // [E, chunks, N, sources], scratch, or null
  T* weight_sums;  // [E, N, sources]: gradients of W_hh, W_ih and the bias side by side, or null
};

}  // namespace midiff::cuda
