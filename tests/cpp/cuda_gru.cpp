// The GRU's CUDA kernels on the emulated device, every shape of block, against the definition. A
// kernel whose threads race would give other bits in another order of threads.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "csrc/cuda/gru_kernel.cuh"
#include "csrc/cuda/gru_shapes.h"
#include "tests/cpp/emulated_launch.h"
#include "tests/cpp/gru_definition.h"

namespace {

using midiff::GruShape;
using midiff::emulated::launch;
using midiff::emulated::Order;
using midiff::test::blocks;
using midiff::test::count;
using midiff::test::expect_near;
using midiff::test::kSharedBytes;
using midiff::test::unwritten;
using midiff::test::weight_sums;
using namespace midiff::cuda;

template <class T>
struct Outputs {
  std::vector<T> states, last, input, h0, ih, hh, bias_ih, bias_hh;

  bool operator==(const Outputs& other) const {
    return states == other.states && last == other.last && input == other.input && h0 == other.h0 &&
           ih == other.ih && hh == other.hh && bias_ih == other.bias_ih && bias_hh == other.bias_hh;
  }
};

// The op: `forward` launches a forward task, `backward` the gates and the sequential part of a
// chunk of at most `longest` steps.
template <class T, class Forward, class Backward>
Outputs<T> run(const midiff::test::GruArguments<T>& a, int64_t longest, Order order,
               const Forward& forward, const Backward& backward) {
  const auto [members, batch, steps, inputs, units] = a.shape;
  const int64_t sequences = members * batch;
  Outputs<T> out = {
      unwritten<T>(sequences * steps * units),    unwritten<T>(sequences * units),
      unwritten<T>(sequences * steps * inputs),   unwritten<T>(sequences * units),
      unwritten<T>(members * 3 * units * inputs), unwritten<T>(members * 3 * units * units),
      unwritten<T>(members * 3 * units),          unwritten<T>(members * 3 * units)};
  std::vector<T> sums = unwritten<T>(members * 4 * units * a.shape.sources());
  const GruWeights<T> weights = {a.ih.data(), a.hh.data(), a.bias_ih.data(), a.bias_hh.data()};
  forward(GruForwardTask<T>{a.shape, weights, a.input.data(), a.h0.data(), out.states.data(),
                            out.last.data()},
          order);
  for (int64_t end = steps; end > 0; end -= std::min(end, longest)) {
    const int64_t chunk = std::min(end, longest);
    std::vector<GruRecord<T>> records(count(sequences * chunk * units));
    const GruChunkTask<T> task = {a.shape,           weights,
                                  a.input.data(),    a.h0.data(),
                                  out.states.data(), a.grad_states.data(),
                                  end - chunk,       chunk,
                                  records.data(),    out.h0.data(),
                                  end == steps,      out.input.data(),
                                  nullptr,           sums.data()};
    backward(task, order);
    launch(gru_input_gradient<T>, blocks((sequences * chunk * inputs + 255) / 256), {256}, 0, order,
           task);
    weight_sums(&records.data()->reset, gru_source_rows(task), members, batch * chunk, 4 * units,
                a.shape.sources(), T(1), !task.begins, sums.data(), order);
  }
  launch(gru_collect<T>, blocks((3 * units * a.shape.sources() + 255) / 256, members), {256}, 0,
         order,
         GruCollectTask<T>{a.shape, sums.data(), out.ih.data(), out.hh.data(), out.bias_ih.data(),
                           out.bias_hh.data()});
  return out;
}

template <class T, class Forward, class Backward>
Outputs<T> test_kernels(const GruShape& shape, int64_t longest, const Forward& forward,
                        const Backward& backward) {
  const midiff::test::GruArguments<T> a(shape);
  const midiff::test::GruResults wanted = midiff::test::define(a);
  const Outputs<T> got = run(a, longest, Order::kForward, forward, backward);
  for (const Order order : {Order::kBackward, Order::kShuffled})
    MF_EXPECT(got == run(a, longest, order, forward, backward));
  expect_near(got.states, wanted.states);
  expect_near(got.last, wanted.last);
  expect_near(got.input, wanted.input);
  expect_near(got.h0, wanted.h0);
  expect_near(got.hh, wanted.hh);
  expect_near(got.bias_hh, wanted.bias_hh);
  expect_near(got.ih, wanted.ih);
  expect_near(got.bias_ih, wanted.bias_ih);
  return got;
}

template <class T>
void test_plain(const GruShape& shape, int64_t longest) {
  const size_t shared = count(gru_plain_shared_bytes<T>(shape.units));
  test_kernels<T>(
      shape, longest,
      [&](const GruForwardTask<T>& task, Order order) {
        launch(gru_forward_plain<T>, blocks(shape.sequences()), {64}, shared, order, task);
      },
      [&](const GruChunkTask<T>& task, Order order) {
        launch(gru_gates_plain<T>, blocks(shape.sequences() * task.count), {64}, 0, order, task);
        launch(gru_backward_plain<T>, blocks(shape.sequences()), {64}, shared, order, task);
      });
}

// The kernels that the launches would take, with a sequence or several in a block.
template <class Shapes, int kSequences>
Outputs<float> resident(const GruShape& shape, int64_t longest) {
  using Forward = typename Shapes::Forward;
  using Backward = typename Shapes::Backward;
  const dim3 grid = blocks((shape.batch + kSequences - 1) / kSequences, shape.members);
  return test_kernels<float>(
      shape, longest,
      [&](const GruForwardTask<float>& task, Order order) {
        launch(gru_forward_resident<Forward, kSequences>, grid, {Forward::kThreads},
               count(GruStep<Forward>::shared_bytes(kGruAhead * kSequences)), order, task);
      },
      [&](const GruChunkTask<float>& task, Order order) {
        const int64_t rows = shape.batch * task.count;
        launch(gru_gates_resident<Forward>,
               blocks((rows + kGateBlockRows - 1) / kGateBlockRows, shape.members),
               {Forward::kThreads}, count(GruStep<Forward>::shared_bytes(kGateRing * kGateRows)),
               order, task);
        launch(gru_backward_resident<Backward, kSequences>, grid, {Backward::kThreads},
               count(gru_backward_shared_bytes<Backward, kSequences>()), order, task);
      });
}

void test_resident(const GruShape& shape, int64_t longest) {
  with_gru_shapes(
      shape, kSharedBytes,
      [&](auto shapes) {
        const Outputs<float> alone = resident<decltype(shapes), 1>(shape, longest);
        MF_EXPECT((alone == resident<decltype(shapes), kGruSequences>(shape, longest)));
      },
      [] { MF_EXPECT(false); });
}

}  // namespace

int main() {
  test_resident({2, 5, 5, 3, 7}, 2);
  for (const int64_t units : {31, 40}) test_resident({1, 1, 3, 2, units}, 100);
  test_resident({1, 1, 3, 3, 100}, 2);
  test_resident({1, 1, 2, 7, 110}, 2);
  test_resident({1, 3, 45, 1, 3}, 44);  // more rows than a block of the gates
  for (const int64_t steps : {1, 9}) test_resident({1, 1, steps, 1, 1}, 8);
  test_plain<double>({2, 1, 3, 3, 33}, 2);
  test_plain<double>({1, 1, 3, 9, 1}, 3);
  test_plain<float>({1, 2, 3, 20, 5}, 3);
}
