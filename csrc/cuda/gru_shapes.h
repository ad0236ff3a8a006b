// Which resident kernels take how many units, for the launches and for the tests.
#pragma once

#include <cstdint>

#include "csrc/cuda/gru_kernel.cuh"

namespace midiff::cuda {

// Rows and lanes of a group, columns of a lane in registers and in shared memory, threads. Forward:
// a unit's three rows of H + I + 1 columns. Backward: rows of 3H.
template <class Forward_, class Backward_>
struct GruResidentShapes {
  using Forward = Forward_;
  using Backward = Backward_;
};

using GruResident32 = GruResidentShapes<ResidentShape<3, 4, 12, 0, 128>,  //
                                        ResidentShape<1, 4, 24, 0, 128>>;
using GruResident64 = GruResidentShapes<ResidentShape<3, 2, 36, 0, 128>,  //
                                        ResidentShape<4, 8, 24, 0, 128>>;
using GruResident104 = GruResidentShapes<ResidentShape<3, 2, 52, 0, 224>,  //
                                         ResidentShape<4, 8, 40, 0, 224>>;
using GruResident128 = GruResidentShapes<ResidentShape<3, 2, 68, 0, 256>,  //
                                         ResidentShape<4, 8, 32, 16, 256>>;

// Sequences of a block: several, where there are more than multiprocessors, hide each other's
// latency. A sequence's bits do not depend on it.
inline constexpr int kGruSequences = 4;

// Calls resident(shapes) for the smallest shapes that hold the network and fit a block's shared
// memory; or plain() where there are none.
template <class Resident, class Plain>
auto with_gru_shapes(const GruShape& shape, int64_t shared_bytes, const Resident& resident,
                     const Plain& plain) {
  const auto fits = [&](auto shapes) {
    using Forward = typename decltype(shapes)::Forward;
    using Backward = typename decltype(shapes)::Backward;
    static_assert(kGruSequences * kGruInputs <= Forward::kThreads);
    const int64_t needed = GruStep<Forward>::shared_bytes(kGruAhead * kGruSequences);
    const int64_t needed_back = gru_backward_shared_bytes<Backward, kGruSequences>();
    return shape.units <= Forward::kGroups && shape.sources() <= Forward::kMostColumns &&
           shape.units <= Backward::kMostUnits && 3 * shape.units <= Backward::kMostColumns &&
           shape.inputs < kGruInputs && needed <= shared_bytes && needed_back <= shared_bytes;
  };
  if (fits(GruResident32{})) return resident(GruResident32{});
  if (fits(GruResident64{})) return resident(GruResident64{});
  if (fits(GruResident104{})) return resident(GruResident104{});
  if (fits(GruResident128{})) return resident(GruResident128{});
  return plain();
}

}  // namespace midiff::cuda
