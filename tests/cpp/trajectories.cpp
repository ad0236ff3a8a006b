// Trajectory kernels: every number of trajectories and first sample, to the bit against one scalar
// trajectory at a time.
#include <cmath>
#include <cstdint>
#include <vector>

#include "csrc/signals/integrator.h"
#include "tests/cpp/harness.h"

namespace {

using midiff::Kernels;
using midiff::TrajectoryTask;

constexpr double kStep = 0.01;

// Buffers are exactly as long as what is asked for, so that a write beyond is caught.
template <class System>
void test_system(const Kernels& kernels, int64_t system, int64_t count, int64_t samples,
                 int64_t first, int64_t substeps) {
  constexpr int D = System::kDimension, P = System::kParameters;
  const auto size = static_cast<size_t>(count);
  const int64_t kept = samples - first;
  std::vector<double> initial(size * D), parameters(size * P), lowest(size * D), highest(size * D);
  std::vector<double> values(size * static_cast<size_t>(kept) * D);
  for (size_t i = 0; i < size * D; ++i) initial[i] = std::sin(static_cast<double>(i + 1));
  for (size_t i = 0; i < size * P; ++i) parameters[i] = 2 + std::sin(static_cast<double>(3 * i));
  const TrajectoryTask task = {
      count,          samples,           first,         substeps,      kStep,
      initial.data(), parameters.data(), values.data(), lowest.data(), highest.data()};
  const auto& kernel = kernels.trajectories;
  const int64_t blocks = (count + kernel.block - 1) / kernel.block;
  for (int64_t block = 0; block < blocks; ++block) kernel.integrate[system](task, block, block + 1);
  for (size_t m = 0; m < size; ++m) {
    double state[D], parameter[P], low[D], high[D];
    for (size_t i = 0; i < D; ++i) state[i] = low[i] = high[i] = initial[m * D + i];
    for (size_t i = 0; i < P; ++i) parameter[i] = parameters[m * P + i];
    for (int64_t sample = 0; sample < samples; ++sample) {
      for (int64_t substep = 0; sample > 0 && substep < substeps; ++substep)
        midiff::runge_kutta_step<System>(state, parameter, kStep);
      for (size_t i = 0; i < D; ++i) {
        low[i] = std::fmin(low[i], state[i]);
        high[i] = std::fmax(high[i], state[i]);
        const size_t row = m * static_cast<size_t>(kept) + static_cast<size_t>(sample - first);
        if (sample >= first) MF_EXPECT(values[row * D + i] == state[i]);
      }
    }
    for (size_t i = 0; i < D; ++i) {
      MF_EXPECT(lowest[m * D + i] == low[i]);
      MF_EXPECT(highest[m * D + i] == high[i]);
    }
  }
}

void test_kernels(const Kernels& kernels) {
  for (int64_t count = 1; count <= 2 * kernels.trajectories.block + 1; ++count)
    for (const int64_t first : {0, 3, 6})
      for (const int64_t substeps : {1, 3}) {
        test_system<midiff::Lorenz>(kernels, 0, count, 7, first, substeps);
        test_system<midiff::Rossler>(kernels, 1, count, 7, first, substeps);
      }
}

}  // namespace

int main() { midiff::test::for_each_instruction_set(test_kernels); }
