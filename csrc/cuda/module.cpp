// The Python module midiff_fast._C_cuda. Importing it registers the ops' CUDA side; it only tells
// how it was built and what driver there is. Needs a torch with CUDA at run time, but not for the
// build.
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <pybind11/pybind11.h>

#include <string>

#include "csrc/cuda/torch.h"

namespace midiff {
namespace {

using CurrentStream = int32_t (*)(int32_t device, void** stream);

// The one function of the stable ABI that only a torch with CUDA has: found by name, so that a
// torch without it will do for the build. `import torch` has loaded its library.
CurrentStream find_current_stream() {
  void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
  void* found = library ? dlsym(library, "aoti_torch_get_current_cuda_stream") : nullptr;
  return reinterpret_cast<CurrentStream>(found);
}

// 12080 -> "12.8"
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The newest CUDA the driver knows; empty without a driver. It is asked without initialising it,
// so that a process may still fork.
std::string driver_version() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) return "";
  return version_text(version);
}

}  // namespace

cudaStream_t current_stream(int32_t device) {
  static const CurrentStream find = find_current_stream();
  STD_TORCH_CHECK(find != nullptr, "this torch has no CUDA: expected libtorch_cuda to be loaded");
  void* stream = nullptr;
  STD_TORCH_CHECK(find(device, &stream) == 0, "no current CUDA stream on device ", device);
  return static_cast<cudaStream_t>(stream);
}

}  // namespace midiff

PYBIND11_MODULE(_C_cuda, module) {
  module.doc() = "CUDA side of the compiled ops of midiff_fast: importing it registers them.";
  module.def(
      "build_info",
      [] {
        pybind11::dict info;
        info["architectures"] = MIDIFF_CUDA_ARCHITECTURES;
        info["cuda"] = midiff::version_text(CUDART_VERSION);
        return info;
      },
      "The architectures and the CUDA version this library was built for.");
  module.def("driver_version", &midiff::driver_version,
             "The newest CUDA the NVIDIA driver knows, such as \"12.8\"; empty without a driver.");
}
