// The leaky RNN's CUDA kernels on the emulated device, every shape of block, against the
// definition. A kernel whose threads race would give other bits in another order of threads.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "csrc/cuda/leaky_kernel.cuh"
#include "csrc/cuda/leaky_shapes.h"
#include "tests/cpp/emulated_launch.h"
#include "tests/cpp/leaky_definition.h"

namespace {

using midiff::LeakyShape;
using midiff::emulated::launch;
using midiff::emulated::Order;
using midiff::test::blocks;
using midiff::test::count;
using midiff::test::expect_near;
using midiff::test::kSharedBytes;
using midiff::test::unwritten;
using namespace midiff::cuda;

template <class T>
struct Outputs {
  std::vector<T> states, last, input, noise, h0, sums;

  bool operator==(const Outputs& other) const {
    return states == other.states && last == other.last && input == other.input &&
           noise == other.noise && h0 == other.h0 && sums == other.sums;
  }
};

// `forward` and `backward` launch the sequential kernels.
template <class T, class Forward, class Backward>
Outputs<T> run(const midiff::test::LeakyArguments<T>& a, Order order, const Forward& forward,
               const Backward& backward) {
  const LeakyShape& shape = a.shape;
  const int64_t rows = shape.batch * shape.steps, sources = shape.sources();
  const int64_t states = shape.sequences() * shape.steps * shape.units;
  const int64_t inputs = shape.sequences() * shape.steps * shape.inputs;
  const int64_t last = shape.sequences() * shape.units;
  Outputs<T> out = {unwritten<T>(states), unwritten<T>(last),
                    unwritten<T>(inputs), unwritten<T>(states),
                    unwritten<T>(last),   unwritten<T>(shape.members * shape.units * sources)};
  forward(LeakyForwardTask<T>{shape, a.alpha, a.input.data(), a.h0.data(), a.ih.data(), a.hh.data(),
                              a.bias.data(), a.noise.data(), out.states.data(), out.last.data()},
          order);
  backward(LeakyBackwardTask<T>{shape, a.alpha, a.grad_states.data(), out.states.data(),
                                a.h0.data(), a.hh.data(), out.noise.data(), out.h0.data()},
           order);
  const LeakyGradientTask<T> task = {
      shape,          a.alpha,     out.noise.data(), out.states.data(), a.h0.data(),
      a.input.data(), a.ih.data(), out.input.data(), nullptr,           out.sums.data()};
  launch(leaky_input_gradient<T>, blocks((inputs + 255) / 256), {256}, 0, order, task);
  midiff::test::weight_sums(task.grad_noise, leaky_source_rows(task), shape.members, rows,
                            shape.units, sources, a.alpha, false, out.sums.data(), order);
  return out;
}

template <class T, class Forward, class Backward>
void test_kernels(const LeakyShape& shape, const Forward& forward, const Backward& backward) {
  const midiff::test::LeakyArguments<T> a(shape, static_cast<T>(0.3));
  const midiff::test::LeakyResults wanted = midiff::test::define(a);
  const Outputs<T> got = run(a, Order::kForward, forward, backward);
  for (const Order order : {Order::kBackward, Order::kShuffled})
    MF_EXPECT(got == run(a, order, forward, backward));
  expect_near(got.states, wanted.states);
  expect_near(got.last, wanted.last);
  expect_near(got.noise, wanted.noise);
  expect_near(got.input, wanted.input);
  expect_near(got.h0, wanted.h0);
  std::vector<T> hh, ih, bias;
  for (int64_t row = 0; row < shape.members * shape.units; ++row) {
    const T* sums = got.sums.data() + row * shape.sources();
    hh.insert(hh.end(), sums, sums + shape.units);
    ih.insert(ih.end(), sums + shape.units, sums + shape.units + shape.inputs);
    bias.push_back(sums[shape.sources() - 1]);
  }
  expect_near(hh, wanted.hh);
  expect_near(ih, wanted.ih);
  expect_near(bias, wanted.bias);
}

template <class T>
void test_plain(const LeakyShape& shape) {
  const dim3 threads = {static_cast<unsigned>((shape.units + 31) / 32 * 32)};
  const size_t shared = count(leaky_plain_shared_bytes<T>(shape.units));
  test_kernels<T>(
      shape,
      [&](const LeakyForwardTask<T>& task, Order order) {
        launch(leaky_forward_plain<T>, blocks(shape.sequences()), threads, shared, order, task);
      },
      [&](const LeakyBackwardTask<T>& task, Order order) {
        launch(leaky_backward_plain<T>, blocks(shape.sequences()), threads, shared, order, task);
      });
}

// The kernels that the launches would take.
void test_resident(const LeakyShape& shape) {
  const auto no_shape = [] { MF_EXPECT(false); };
  test_kernels<float>(
      shape,
      [&](const LeakyForwardTask<float>& task, Order order) {
        with_resident_shape(
            LeakyForwardShapes{}, shape.units, shape.sources(), shape.inputs, kSharedBytes,
            [&](auto resident) {
              using Shape = decltype(resident);
              launch(leaky_forward_resident<Shape>, blocks(shape.sequences()), {Shape::kThreads},
                     Shape::shared_bytes(2 * Shape::kVector), order, task);
            },
            no_shape);
      },
      [&](const LeakyBackwardTask<float>& task, Order order) {
        with_resident_shape(
            LeakyBackwardShapes{}, shape.units, shape.units, 0, kSharedBytes,
            [&](auto resident) {
              using Shape = decltype(resident);
              launch(leaky_backward_resident<Shape>, blocks(shape.sequences()), {Shape::kThreads},
                     Shape::shared_bytes(2 * Shape::kVector), order, task);
            },
            no_shape);
      });
}

// Absolute errors over the whole range; of small numbers, relative ones.
void test_activations() {
  for (int i = -200000; i <= 200000; ++i) {
    const float x = static_cast<float>(i) * 1e-4f;
    const double tanh = std::tanh(static_cast<double>(x));
    MF_EXPECT(std::abs(tanh_of(x) - tanh) < 3e-7 * std::min(1.0, std::abs(tanh) * 1.5) + 1e-38);
    MF_EXPECT(std::abs(sigmoid_of(x) - 1 / (1 + std::exp(-static_cast<double>(x)))) < 3e-7);
  }
  constexpr float infinity = std::numeric_limits<float>::infinity();
  MF_EXPECT(tanh_of(infinity) == 1 && tanh_of(-infinity) == -1);
  MF_EXPECT(sigmoid_of(infinity) == 1 && sigmoid_of(-infinity) == 0);
  MF_EXPECT(std::isnan(tanh_of(NAN)) && std::isnan(sigmoid_of(NAN)));
}

}  // namespace

int main() {
  test_activations();
  // One size of every shape's kernel, and those at its edges; lengths around the prefetch.
  test_resident({2, 2, 11, 3, 5});
  for (const int64_t units : {16, 31, 40, 63}) test_resident({1, 1, 9, 3, units});
  test_resident({1, 1, 3, 40, 5});  // more inputs than a warp
  test_resident({1, 2, 5, 4, 100});
  test_resident({1, 1, 3, 2, 200});
  test_resident({1, 1, 2, 12, 256});
  for (const int64_t steps : {0, 1, 8, 17}) test_resident({1, 1, steps, 1, 5});
  test_resident({1, 6, 100, 1, 3});  // more rows than a chunk of the sums
  for (const int64_t units : {1, 33}) test_plain<double>({2, 2, 4, 3, units});
  test_plain<float>({1, 1, 4, 3, 70});
  test_plain<double>({1, 1, 0, 2, 4});
}
