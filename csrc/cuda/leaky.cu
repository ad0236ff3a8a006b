// Picks the kernel for a size and launches it.
#include "csrc/cuda/leaky.h"

#include <algorithm>
#include <cstdint>

#include "csrc/cuda/launch.cuh"
#include "csrc/cuda/leaky_kernel.cuh"
#include "csrc/cuda/leaky_shapes.h"

namespace midiff::cuda {
namespace {

template <class T>
cudaError_t forward_plain(const LeakyForwardTask<T>& task, cudaStream_t stream) {
  return launch(leaky_forward_plain<T>, blocks_of(task.shape.sequences()),
                plain_threads(task.shape.units), leaky_plain_shared_bytes<T>(task.shape.units),
                stream, task);
}

template <class T>
cudaError_t backward_plain(const LeakyBackwardTask<T>& task, cudaStream_t stream) {
  return launch(leaky_backward_plain<T>, blocks_of(task.shape.sequences()),
                plain_threads(task.shape.units), leaky_plain_shared_bytes<T>(task.shape.units),
                stream, task);
}

// Resident kernels have 32 bits for places within a sequence, and look a few steps ahead.
bool is_short(const LeakyShape& shape) {
  return (shape.steps + 16) * std::max(shape.units, shape.inputs) < int64_t{1} << 31;
}

template <class T>
cudaError_t gradients(const LeakyGradientTask<T>& task, cudaStream_t stream) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  const int64_t rows = batch * steps;
  if (task.grad_input && members * rows > 0) {
    const int64_t blocks = (members * rows * inputs + 255) / 256;
    const cudaError_t error =
        launch(leaky_input_gradient<T>, blocks_of(blocks), 256, 0, stream, task);
    if (error != cudaSuccess) return error;
  }
  if (!task.weight_sums || members == 0) return cudaSuccess;
  return launch_weight_sums<T>(task.grad_noise, leaky_source_rows(task), members, rows, units,
                               task.shape.sources(), task.alpha, task.partial, task.weight_sums,
                               false, stream);
}

}  // namespace

cudaError_t launch_leaky_forward(const LeakyForwardTask<float>& task, cudaStream_t stream) {
  if (task.shape.sequences() == 0) return cudaSuccess;
  const LeakyShape& s = task.shape;
  if (!is_short(s)) return forward_plain(task, stream);
  return with_resident_shape(
      LeakyForwardShapes{}, s.units, s.sources(), s.inputs, most_shared_bytes(),
      [&](auto shape) {
        using Shape = decltype(shape);
        return launch(leaky_forward_resident<Shape>, blocks_of(s.sequences()), Shape::kThreads,
                      Shape::shared_bytes(2 * Shape::kVector), stream, task);
      },
      [&] { return forward_plain(task, stream); });
}

cudaError_t launch_leaky_backward(const LeakyBackwardTask<float>& task, cudaStream_t stream) {
  if (task.shape.sequences() == 0) return cudaSuccess;
  const LeakyShape& s = task.shape;
  if (!is_short(s)) return backward_plain(task, stream);
  return with_resident_shape(
      LeakyBackwardShapes{}, s.units, s.units, 0, most_shared_bytes(),
      [&](auto shape) {
        using Shape = decltype(shape);
        return launch(leaky_backward_resident<Shape>, blocks_of(s.sequences()), Shape::kThreads,
                      Shape::shared_bytes(2 * Shape::kVector), stream, task);
      },
      [&] { return backward_plain(task, stream); });
}

cudaError_t launch_leaky_forward(const LeakyForwardTask<double>& task, cudaStream_t stream) {
  return task.shape.sequences() == 0 ? cudaSuccess : forward_plain(task, stream);
}
cudaError_t launch_leaky_backward(const LeakyBackwardTask<double>& task, cudaStream_t stream) {
  return task.shape.sequences() == 0 ? cudaSuccess : backward_plain(task, stream);
}
cudaError_t launch_leaky_gradients(const LeakyGradientTask<float>& task, cudaStream_t stream) {
  return gradients(task, stream);
}
cudaError_t launch_leaky_gradients(const LeakyGradientTask<double>& task, cudaStream_t stream) {
  return gradients(task, stream);
}

}  // namespace midiff::cuda
