// The Donsker-Varadhan kernel of one instruction set: what it is given and what it fills;
// torch-free.
//
// The samples of a member are cut into lanes. A lane is worked through in chunks, in order, by one
// thread; what the lanes found is added up in the order of the lanes. How many lanes there are
// depends on the sample count alone, so neither the thread count nor the ensemble changes a bit.
#pragma once

#include <cmath>
#include <cstdint>

#include "csrc/mine/log_sum_exp.h"
#include "csrc/mine/samples.h"

namespace midiff {

// One member's critic, contiguous: weight_a [H, A], weight_b [H, B], weight_h [H, H], weight_out
// [H].
template <class T>
struct CriticWeights {
  const T* weight_a;
  const T* bias_a;
  const T* weight_b;
  const T* bias_b;
  const T* weight_h;
  const T* bias_h;
  const T* weight_out;
  T bias_out;
};

struct MineShape {
  int64_t a_size;  // A
  int64_t b_size;  // B
  int64_t hidden;  // H
  bool weight_gradients;
  bool input_gradients;
};

// Gradients of a critic, laid out as CriticWeights; bias_a and bias_b share one gradient.
template <class T>
struct CriticGradients {
  T* weight_a;
  T* weight_b;
  T* bias_first;
  T* weight_h;
  T* bias_h;
  T* weight_out;
};

// One member's samples.
template <class T>
struct MineSamples {
  int64_t count;               // S
  SampleRows<T> a;             // [S, A]
  SampleRows<T> b;             // [S, B]
  SampleRows<T> marginal_b;    // [S, B]
  SampleNoise noise;           // on a and b
  bool noisy_marginal;         // and on marginal_b, which is b
  const int64_t* permutation;  // [S]
  T slope;
  // If input gradients are wanted, [S, A + B] each: of the sum of T over joint pairs, and of the
  // product pairs weighted by exp(T - reference of the chunk); product rows belong to pair i, so
  // their second part is the gradient of row permutation[i] of marginal_b.
  T* joint_gradient;
  T* product_gradient;
  double* product_reference;  // one per chunk, at index first / chunk
};

struct LaneResult {
  double joint_sum = 0.0;  // sum of T over joint pairs
  LogSumExp product;       // of T over product pairs
};

template <class T>
struct MineKernel {
  // Samples per chunk; lanes begin at multiples of it.
  int64_t (*chunk)(const MineShape&);
  // Sizes in elements of T of packed weights, of one lane's gradient sums, and of a thread's
  // scratch.
  int64_t (*packed_size)(const MineShape&);
  int64_t (*sums_size)(const MineShape&);
  int64_t (*scratch_size)(const MineShape&);
  void (*pack)(const MineShape&, const CriticWeights<T>&, T* packed);
  // Works through samples [first, last); `sums` need not be cleared.
  LaneResult (*lane)(const MineShape&, const MineSamples<T>&, const T* packed, int64_t first,
                     int64_t last, T* sums, T* scratch);
  // Adds up `lanes` lanes: MI gradient of every weight.
  void (*gather)(const MineShape&, int64_t samples, const T* packed, int64_t lanes,
                 const LaneResult* results, const T* sums, const CriticGradients<T>& out);
};

struct MineKernels {
  MineKernel<float> f32;
  MineKernel<double> f64;
};

}  // namespace midiff
