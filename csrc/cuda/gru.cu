// Picks the kernels for a size and launches them.
#include "csrc/cuda/gru.h"

#include "csrc/cuda/gru_kernel.cuh"
#include "csrc/cuda/gru_shapes.h"
#include "csrc/cuda/launch.cuh"

namespace midiff::cuda {
namespace {

// Whether every sequence can have a multiprocessor to itself.
bool few_sequences(const GruShape& shape) { return shape.sequences() <= multiprocessors(); }

template <class T>
cudaError_t forward_plain(const GruForwardTask<T>& task, cudaStream_t stream) {
  return launch(gru_forward_plain<T>, blocks_of(task.shape.sequences()), kPlainThreads,
                gru_plain_shared_bytes<T>(task.shape.units), stream, task);
}

template <class T>
cudaError_t chunk_plain(const GruChunkTask<T>& task, cudaStream_t stream) {
  const cudaError_t error =
      launch(gru_gates_plain<T>, blocks_of(task.shape.sequences() * task.count), kPlainThreads, 0,
             stream, task);
  if (error != cudaSuccess) return error;
  return launch(gru_backward_plain<T>, blocks_of(task.shape.sequences()),
                plain_threads(task.shape.units), gru_plain_shared_bytes<T>(task.shape.units),
                stream, task);
}

template <class Shape, int kSequences>
cudaError_t forward_resident(const GruForwardTask<float>& task, cudaStream_t stream) {
  const int64_t blocks = (task.shape.batch + kSequences - 1) / kSequences;
  return launch(gru_forward_resident<Shape, kSequences>, blocks_of(blocks, task.shape.members),
                Shape::kThreads, GruStep<Shape>::shared_bytes(kGruAhead * kSequences), stream,
                task);
}

template <class Shape, int kSequences>
cudaError_t backward_resident(const GruChunkTask<float>& task, cudaStream_t stream) {
  const int64_t blocks = (task.shape.batch + kSequences - 1) / kSequences;
  return launch(gru_backward_resident<Shape, kSequences>, blocks_of(blocks, task.shape.members),
                Shape::kThreads, gru_backward_shared_bytes<Shape, kSequences>(), stream, task);
}

template <class Shapes>
cudaError_t chunk_resident(const GruChunkTask<float>& task, cudaStream_t stream) {
  using Forward = typename Shapes::Forward;
  using Backward = typename Shapes::Backward;
  const int64_t rows = task.shape.batch * task.count;
  const int64_t blocks = (rows + kGateBlockRows - 1) / kGateBlockRows;
  const cudaError_t error =
      launch(gru_gates_resident<Forward>, blocks_of(blocks, task.shape.members), Forward::kThreads,
             GruStep<Forward>::shared_bytes(kGateRing * kGateRows), stream, task);
  if (error != cudaSuccess) return error;
  return few_sequences(task.shape) ? backward_resident<Backward, 1>(task, stream)
                                   : backward_resident<Backward, kGruSequences>(task, stream);
}

// The parallel part, after the sequential one.
template <class T>
cudaError_t gradients(const GruChunkTask<T>& task, cudaStream_t stream) {
  const auto [members, batch, steps, inputs, units] = task.shape;
  const int64_t rows = batch * task.count;
  if (task.grad_input) {
    const int64_t blocks = (members * rows * inputs + 255) / 256;
    const cudaError_t error =
        launch(gru_input_gradient<T>, blocks_of(blocks), 256, 0, stream, task);
    if (error != cudaSuccess) return error;
  }
  if (!task.sums) return cudaSuccess;
  // A record is four numbers of a unit: records are rows of 4H derivatives.
  const T* deltas = &task.records->reset;
  return launch_weight_sums<T>(deltas, gru_source_rows(task), members, rows, 4 * units,
                               task.shape.sources(), T(1), task.partial, task.sums, !task.begins,
                               stream);
}

template <class T>
cudaError_t collect(const GruCollectTask<T>& task, cudaStream_t stream) {
  const int64_t numbers = 3 * task.shape.units * task.shape.sources();
  if (task.shape.members * numbers == 0) return cudaSuccess;
  return launch(gru_collect<T>, blocks_of((numbers + 255) / 256, task.shape.members), 256, 0,
                stream, task);
}

}  // namespace

cudaError_t launch_gru_forward(const GruForwardTask<float>& task, cudaStream_t stream) {
  if (task.shape.sequences() == 0) return cudaSuccess;
  return with_gru_shapes(
      task.shape, most_shared_bytes(),
      [&](auto shapes) {
        using Shape = typename decltype(shapes)::Forward;
        return few_sequences(task.shape) ? forward_resident<Shape, 1>(task, stream)
                                         : forward_resident<Shape, kGruSequences>(task, stream);
      },
      [&] { return forward_plain(task, stream); });
}

cudaError_t launch_gru_forward(const GruForwardTask<double>& task, cudaStream_t stream) {
  return task.shape.sequences() == 0 ? cudaSuccess : forward_plain(task, stream);
}

cudaError_t launch_gru_chunk(const GruChunkTask<float>& task, cudaStream_t stream) {
  const cudaError_t error = with_gru_shapes(
      task.shape, most_shared_bytes(),
      [&](auto shapes) { return chunk_resident<decltype(shapes)>(task, stream); },
      [&] { return chunk_plain(task, stream); });
  return error == cudaSuccess ? gradients(task, stream) : error;
}

cudaError_t launch_gru_chunk(const GruChunkTask<double>& task, cudaStream_t stream) {
  const cudaError_t error = chunk_plain(task, stream);
  return error == cudaSuccess ? gradients(task, stream) : error;
}

cudaError_t launch_gru_collect(const GruCollectTask<float>& task, cudaStream_t stream) {
  return collect(task, stream);
}
cudaError_t launch_gru_collect(const GruCollectTask<double>& task, cudaStream_t stream) {
  return collect(task, stream);
}

}  // namespace midiff::cuda
