// The optimizers' kernels on the emulated device, against Keras's rules written out in double.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "csrc/cuda/optimizer_kernel.cuh"
#include "tests/cpp/emulated_launch.h"

namespace {

using midiff::emulated::launch;
using midiff::emulated::Order;
using midiff::test::count;
using midiff::test::expect_near;
using midiff::test::normals;
using midiff::test::unwritten;
using namespace midiff::cuda;

constexpr double kEpsilon = 1e-7;
constexpr double kRate = 0.01, kRho = 0.9, kBeta1 = 0.9, kBeta2 = 0.999;

struct Clip {
  double norm, value;  // 0 for no limit
};

// Weights of several shapes, their averages and their gradients; each vector is [E, size].
template <class T>
struct Weights {
  std::vector<int64_t> sizes;
  int64_t members;
  std::vector<std::vector<T>> parameter, gradient, mean, square;

  Weights(const std::vector<int64_t>& sizes_, int64_t members_) : sizes(sizes_), members(members_) {
    std::mt19937 generator(5);
    for (const int64_t size : sizes) {
      parameter.push_back(normals<T>(generator, members * size, 1));
      gradient.push_back(normals<T>(generator, members * size, 0.3));
      mean.push_back(normals<T>(generator, members * size, 0.1));
      square.push_back(normals<T>(generator, members * size, 0.1));
      for (T& value : square.back()) value *= value;
      // As small as the square root of epsilon, so that its place matters.
      for (size_t i = 0; i < square.back().size(); i += 3) {
        gradient.back()[i] *= T(1e-3);
        square.back()[i] *= T(1e-6);
      }
    }
  }

  Weights of_member(int64_t member) const {
    Weights alone = *this;
    alone.members = 1;
    for (auto* list : {&alone.parameter, &alone.gradient, &alone.mean, &alone.square})
      for (size_t i = 0; i < sizes.size(); ++i) {
        const auto first = (*list)[i].begin() + member * sizes[i];
        (*list)[i] = std::vector<T>(first, first + sizes[i]);
      }
    return alone;
  }

  StepTensors<T> table() {
    StepTensors<T> table = {};
    table.members = members;
    for (size_t i = 0; i < sizes.size(); ++i) {
      table.tensor[table.count++] = {parameter[i].data(), gradient[i].data(), mean[i].data(),
                                     square[i].data(),    sizes[i],           table.parts};
      table.parts += step_parts(sizes[i]);
    }
    return table;
  }
};

// See launch_step in csrc/cuda/optimizer.cu.
template <class T, class Rule>
void step(Weights<T>& weights, const Clip& limits, const Rule& rule, Order order) {
  const StepTensors<T> table = weights.table();
  const StepClip<T> clip = {limits.norm > 0, limits.value > 0, static_cast<T>(limits.norm),
                            static_cast<T>(limits.value)};
  std::vector<T> sums = unwritten<T>(clip.by_norm ? table.members * table.parts : 0);
  const dim3 grid = midiff::test::blocks(table.parts, table.members);
  const size_t shared = count(step_shared_bytes<T>());
  if (clip.by_norm)
    launch(gradient_squares<T>, grid, {kStepThreads}, shared, order, table, sums.data());
  launch(step_parameters<T, Rule>, grid, {kStepThreads}, shared, order, table, clip, rule,
         static_cast<const T*>(sums.data()));
}

template <class T>
RMSpropRule<T> rmsprop() {
  return {{T(kRate), T(kRho), T(1 - kRho), T(kEpsilon)}};
}

template <class T>
AdamRule<T> adam() {
  return {{T(kRate), T(kBeta1), T(1 - kBeta1), T(kBeta2), T(1 - kBeta2), T(kEpsilon)}};
}

// One tensor's values after the rule, [E, size] each: parameter, mean, square.
template <class T>
std::vector<std::vector<double>> define(const Weights<T>& weights, size_t index, const Clip& clip,
                                        bool is_adam) {
  std::vector<double> parameter, mean, square;
  const int64_t size = weights.sizes[index];
  for (int64_t member = 0; member < weights.members; ++member) {
    const T* gradient = weights.gradient[index].data() + member * size;
    double norm = 0;
    for (int64_t i = 0; i < size; ++i) norm += double(gradient[i]) * gradient[i];
    norm = std::max(std::sqrt(norm), clip.norm);
    for (int64_t i = 0; i < size; ++i) {
      const size_t at = count(member * size + i);
      double g = gradient[i];
      if (clip.norm > 0) g *= clip.norm / norm;
      if (clip.value > 0) g = std::min(std::max(g, -clip.value), clip.value);
      double m = weights.mean[index][at], v = weights.square[index][at], change;
      if (is_adam) {
        m = kBeta1 * m + (1 - kBeta1) * g;
        v = kBeta2 * v + (1 - kBeta2) * g * g;
        change = kRate * m / (std::sqrt(v) + kEpsilon);
      } else {
        v = kRho * v + (1 - kRho) * g * g;
        change = kRate * g / std::sqrt(v + kEpsilon);
      }
      parameter.push_back(weights.parameter[index][at] - change);
      mean.push_back(m);
      square.push_back(v);
    }
  }
  return {parameter, mean, square};
}

const std::vector<int64_t> kSizes = {1, 7, 0, kStepPart, kStepPart + 1, 3 * kStepPart + 300, 40};

template <class T, class Rule>
void test_rule(const Rule& rule, bool is_adam) {
  for (const Clip& clip : {Clip{0, 0}, Clip{2, 0}, Clip{0, 0.2}, Clip{2, 0.05}, Clip{1e6, 0}})
    for (const Order order : {Order::kForward, Order::kBackward, Order::kShuffled}) {
      const Weights<T> before(kSizes, 3);
      Weights<T> weights = before;
      step(weights, clip, rule, order);
      for (size_t i = 0; i < kSizes.size(); ++i) {
        const auto wanted = define(before, i, clip, is_adam);
        expect_near(weights.parameter[i], wanted[0]);
        expect_near(weights.mean[i], wanted[1]);
        expect_near(weights.square[i], wanted[2]);
      }
      for (int64_t member = 0; member < 3; ++member) {
        Weights<T> alone = before.of_member(member);
        step(alone, clip, rule, Order::kForward);
        const Weights<T> together = weights.of_member(member);
        MF_EXPECT(alone.parameter == together.parameter);
        MF_EXPECT(alone.mean == together.mean);
        MF_EXPECT(alone.square == together.square);
      }
    }
}

// A gradient that is not finite spoils its own tensor of its own member, and nothing else.
template <class T, class Rule>
void test_not_a_number(const Rule& rule) {
  Weights<T> weights({5, kStepPart + 8}, 2);
  weights.gradient[1][3] = std::numeric_limits<T>::quiet_NaN();
  step(weights, {1, 0.5}, rule, Order::kForward);
  for (int64_t i = 0; i < 2 * weights.sizes[1]; ++i)
    MF_EXPECT(std::isnan(weights.parameter[1][count(i)]) == (i < weights.sizes[1]));
  for (const T value : weights.parameter[0]) MF_EXPECT(std::isfinite(value));
}

template <class T>
void test_all() {
  test_rule<T>(rmsprop<T>(), false);
  test_rule<T>(adam<T>(), true);
  test_not_a_number<T>(rmsprop<T>());
  test_not_a_number<T>(adam<T>());
  Weights<T> full(std::vector<int64_t>(kStepTensors, 3), 1);
  const Weights<T> before = full;
  step(full, {0, 0}, adam<T>(), Order::kForward);
  for (size_t i = 0; i < kStepTensors; ++i)
    expect_near(full.parameter[i], define(before, i, {0, 0}, true)[0]);
}

}  // namespace

int main() {
  test_all<float>();
  test_all<double>();
  std::puts("cuda_optimizer: passed");
}
