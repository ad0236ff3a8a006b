// Trajectories side by side: one lane of a vector each, and a few vectors in turns.
//
// A step is one long chain of dependent operations: a vector alone would leave the core waiting for
// most of it. Every block runs the same code, so a trajectory does not depend on its lane.
#pragma once

#include "csrc/cpu/trajectories_kernel_api.h"
#include "csrc/cpu/vec.h"
#include "csrc/signals/integrator.h"

namespace midiff::MF_ISA {

inline constexpr int kBundleVectors = 2;
inline constexpr int kBlock = kBundleVectors * kLanes<double>;

// One number of each trajectory of a block.
struct Bundle {
  Vec<double> part[kBundleVectors];
};

template <class Function>
MF_HD Bundle bundle_of(const Function& function) {
  Bundle out;
#pragma GCC unroll 8
  for (int i = 0; i < kBundleVectors; ++i) out.part[i] = function(i);
  return out;
}

MF_HD Bundle operator+(const Bundle& a, const Bundle& b) {
  return bundle_of([&](int i) { return a.part[i] + b.part[i]; });
}
MF_HD Bundle operator-(const Bundle& a, const Bundle& b) {
  return bundle_of([&](int i) { return a.part[i] - b.part[i]; });
}
MF_HD Bundle operator-(const Bundle& a) {
  return bundle_of([&](int i) { return -a.part[i]; });
}
MF_HD Bundle product(const Bundle& a, const Bundle& b) {
  return bundle_of([&](int i) { return midiff::product(a.part[i], b.part[i]); });
}
MF_HD Bundle product(double a, const Bundle& b) {
  return bundle_of([&](int i) { return midiff::product(a, b.part[i]); });
}
MF_HD Bundle lower(const Bundle& a, const Bundle& b) {
  return bundle_of([&](int i) { return a.part[i] < b.part[i] ? a.part[i] : b.part[i]; });
}
MF_HD Bundle higher(const Bundle& a, const Bundle& b) {
  return bundle_of([&](int i) { return a.part[i] > b.part[i] ? a.part[i] : b.part[i]; });
}

// Rows [trajectories, width] -> one bundle per column. The lanes behind the last trajectory repeat
// it.
template <int width>
MF_HD void load_columns(const double* rows, int64_t trajectories, Bundle (&columns)[width]) {
  for (int column = 0; column < width; ++column) {
    double lane[kBlock];
    for (int64_t i = 0; i < kBlock; ++i)
      lane[i] = rows[(i < trajectories ? i : trajectories - 1) * width + column];
    columns[column] = bundle_of([&](int i) { return load(lane + i * kLanes<double>); });
  }
}

// One bundle per column -> rows [trajectories, width], `stride` apart.
template <int width>
MF_HD void store_columns(const Bundle (&columns)[width], int64_t trajectories, int64_t stride,
                         double* rows) {
  double lane[width][kBlock];
  for (int column = 0; column < width; ++column)
    for (int i = 0; i < kBundleVectors; ++i)
      store(lane[column] + i * kLanes<double>, columns[column].part[i]);
  for (int64_t i = 0; i < trajectories; ++i)
    for (int column = 0; column < width; ++column) rows[i * stride + column] = lane[column][i];
}

template <class System>
void integrate(const TrajectoryTask& task, int64_t first_block, int64_t last_block) {
  constexpr int D = System::kDimension, P = System::kParameters;
  const int64_t stride = (task.samples - task.first) * D;
  for (int64_t block = first_block; block < last_block; ++block) {
    const int64_t begin = block * kBlock;
    const int64_t rest = task.trajectories - begin;
    const int64_t trajectories = rest < kBlock ? rest : kBlock;
    Bundle state[D], parameter[P], lowest[D], highest[D];
    load_columns<D>(task.initial + begin * D, trajectories, state);
    load_columns<P>(task.parameters + begin * P, trajectories, parameter);
    for (int i = 0; i < D; ++i) lowest[i] = highest[i] = state[i];
    double* values = task.values + begin * stride;
    for (int64_t sample = 0;; ++sample) {
      for (int i = 0; i < D; ++i) {
        lowest[i] = lower(state[i], lowest[i]);
        highest[i] = higher(state[i], highest[i]);
      }
      if (sample >= task.first)
        store_columns<D>(state, trajectories, stride, values + (sample - task.first) * D);
      if (sample + 1 >= task.samples) break;
      for (int64_t substep = 0; substep < task.substeps; ++substep)
        runge_kutta_step<System>(state, parameter, task.step);
    }
    store_columns<D>(lowest, trajectories, D, task.lowest + begin * D);
    store_columns<D>(highest, trajectories, D, task.highest + begin * D);
  }
}

template <class... Listed>
constexpr TrajectoryKernels trajectory_kernels_of(SystemList<Listed...>) {
  return {kBlock, {integrate<Listed>...}};
}

constexpr TrajectoryKernels trajectory_kernels() { return trajectory_kernels_of(Systems{}); }

}  // namespace midiff::MF_ISA
