// Which resident kernel takes how many units, for the launches and for the tests.
#pragma once

#include <cstdint>

#include "csrc/cuda/resident_product.cuh"

namespace midiff::cuda {

// Units, lanes a unit, columns of a lane in registers and in shared memory, threads. Small networks
// take one warp: a block barrier costs some 30 of the 160 cycles of a step.
using Resident16 = ResidentShape<1, 1, 24, 0, 32>;
using Resident32 = ResidentShape<1, 1, 48, 0, 32>;
using Resident40 = ResidentShape<2, 1, 48, 0, 32>;
using Resident64 = ResidentShape<2, 1, 72, 0, 32>;
using Resident128 = ResidentShape<1, 2, 72, 0, 256>;
using Resident256 = ResidentShape<1, 2, 40, 96, 512>;

// Calls resident(shape) for the smallest shape that holds `units` rows of `columns`, has a thread
// for each input, and fits a block's shared memory; or plain() where there is none.
template <class Resident, class Plain>
auto with_resident_shape(int64_t units, int64_t columns, int64_t inputs, int64_t shared_bytes,
                         const Resident& resident, const Plain& plain) {
  const auto fits = [=](auto shape) {
    using Shape = decltype(shape);
    return units <= Shape::kMostUnits && columns <= Shape::kMostColumns &&
           inputs <= Shape::kThreads && Shape::shared_bytes(2 * Shape::kVector) <= shared_bytes;
  };
  if (fits(Resident16{})) return resident(Resident16{});
  if (fits(Resident32{})) return resident(Resident32{});
  if (fits(Resident40{})) return resident(Resident40{});
  if (fits(Resident64{})) return resident(Resident64{});
  if (fits(Resident128{})) return resident(Resident128{});
  if (fits(Resident256{})) return resident(Resident256{});
  return plain();
}

}  // namespace midiff::cuda
