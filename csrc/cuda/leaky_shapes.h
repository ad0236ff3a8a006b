// Which resident kernel takes how many units, for the launches and for the tests.
#pragma once

#include <cstdint>

#include "csrc/cuda/resident_product.cuh"
#include "csrc/cuda/warp_product.cuh"

namespace midiff::cuda {

template <class... Shapes>
struct ShapeList {};

// Rows of a lane, lanes of a row, columns of a lane in registers and in shared memory, threads;
// smallest first. Up to 64 units take one warp: a block barrier costs some 30 of the 160 cycles of
// a step. The last shapes fit the 99 KB of shared memory of compute capability 8.6.
using LeakyForwardShapes =
    ShapeList<ResidentShape<1, 1, 24, 0, 32>, ResidentShape<1, 1, 48, 0, 32>, WarpShape<48>,
              ResidentShape<2, 1, 72, 0, 32>, ResidentShape<1, 2, 72, 0, 256>,
              ResidentShape<2, 2, 88, 48, 256>>;
// Without columns for inputs.
using LeakyBackwardShapes =
    ShapeList<ResidentShape<1, 1, 16, 0, 32>, ResidentShape<1, 1, 32, 0, 32>, WarpShape<40>,
              ResidentShape<2, 1, 64, 0, 32>, ResidentShape<1, 2, 64, 0, 256>,
              ResidentShape<2, 2, 80, 48, 256>>;

// Calls resident(shape) for the first shape that holds `units` rows of `columns`, has a thread for
// each input, and fits a block's shared memory; or plain() where there is none.
template <class Resident, class Plain>
auto with_resident_shape(ShapeList<>, int64_t, int64_t, int64_t, int64_t, const Resident&,
                         const Plain& plain) {
  return plain();
}

template <class Shape, class... Larger, class Resident, class Plain>
auto with_resident_shape(ShapeList<Shape, Larger...>, int64_t units, int64_t columns,
                         int64_t inputs, int64_t shared_bytes, const Resident& resident,
                         const Plain& plain) {
  if (units <= Shape::kMostUnits && columns <= Shape::kMostColumns && inputs <= Shape::kThreads &&
      Shape::shared_bytes(2 * Shape::kVector) <= shared_bytes)
    return resident(Shape{});
  return with_resident_shape(ShapeList<Larger...>{}, units, columns, inputs, shared_bytes, resident,
                             plain);
}

}  // namespace midiff::cuda
