// The Python module midiff_fast._C. Importing it registers the ops, by the static initialisers of
// the other files; the module itself only tells how it was built. No torch type crosses pybind11,
// so one build serves every torch from the target version on.
#include <pybind11/pybind11.h>
#include <torch/headeronly/version.h>

#include <string>

#include "csrc/cpu/kernels.h"

namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "gcc " __VERSION__;
#else
  return "unknown";
#endif
}

std::string target_version() {
  constexpr unsigned long long target = TORCH_TARGET_VERSION;
  return std::to_string(target >> 56) + "." + std::to_string((target >> 48) & 0xFF);
}

pybind11::dict build_info() {
  pybind11::dict info;
  info["version"] = MIDIFF_VERSION;
  info["instruction_set"] = midiff::kernels().instruction_set;
  info["high"] = midiff::bf16_in_tiles() ? "amx" : "float32";
  info["medium"] = midiff::bf16_in_tiles() ? "amx" : midiff::bf16_mine() ? "bf16" : "float32";
  info["compiler"] = compiler();
  info["torch_target"] = target_version();
  info["torch_headers"] = TORCH_VERSION;
  return info;
}

}  // namespace

PYBIND11_MODULE(_C, module) {
  module.doc() = "Compiled ops of midiff_fast: importing this module registers torch.ops.midiff.";
  module.def("build_info", &build_info, "How this library was built and what it runs on.");
}
