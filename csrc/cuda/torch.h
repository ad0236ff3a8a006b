// What the CUDA ops need of torch: the tensor's device made current, torch's stream on it, and
// errors with the op's name.
#pragma once

#include <cuda_runtime_api.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>

#include "csrc/cuda/errors.h"
#include "csrc/ops/checks.h"

namespace midiff {

// torch's current stream on a device.
cudaStream_t current_stream(int32_t device);

// While it lives, this thread may do what a capture of a CUDA graph, in its default mode, forbids
// every thread: the first call of an op starts this library's runtime and loads its kernels.
class DuringCapture {
 public:
  // Where it fails, so will the calls it is for, which are checked.
  DuringCapture()
      : changed_(cuda::taken(cudaThreadExchangeStreamCaptureMode(&mode_)) == cudaSuccess) {}
  ~DuringCapture() {
    if (changed_) cuda::taken(cudaThreadExchangeStreamCaptureMode(&mode_));
  }
  DuringCapture(const DuringCapture&) = delete;
  DuringCapture& operator=(const DuringCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;  // then the one there was
  bool changed_;
};

// While it lives, the device of `like` is the current one.
class CudaCall {
 public:
  explicit CudaCall(const Tensor& like)
      : device_(like.get_device_index()), guard_(device_), stream_(current_stream(device_)) {
    // This library has a CUDA runtime of its own, which keeps its own current device.
    const cudaError_t error = cuda::taken(cudaSetDevice(device_));
    STD_TORCH_CHECK(error == cudaSuccess, "CUDA device ", device_,
                    ": CUDA reports: ", cudaGetErrorString(error));
  }

  cudaStream_t stream() const { return stream_; }

 private:
  int32_t device_;
  torch::stable::accelerator::DeviceGuard guard_;
  DuringCapture during_capture_;
  cudaStream_t stream_;
};

// Members lie along a grid's second or third axis, which reach no further.
inline constexpr int64_t kMostMembers = 65535;

inline void check_members(int64_t members, const char* name) {
  STD_TORCH_CHECK(members <= kMostMembers, name, ": expected at most ", kMostMembers,
                  " members on CUDA, got ", members);
}

inline void check_cuda(cudaError_t error, const char* op) {
  STD_TORCH_CHECK(error == cudaSuccess, op, ": CUDA reports: ", cudaGetErrorString(error));
}

// Every argument of an op lives where its first one does. torch calls an op's CUDA side where any
// of them is on CUDA.
inline void check_same_device(const Tensor& tensor, const char* name, const Tensor& like) {
  STD_TORCH_CHECK(like.is_cuda(), "the first argument: expected a tensor on CUDA, as others are");
  STD_TORCH_CHECK(tensor.is_cuda() && tensor.get_device_index() == like.get_device_index(), name,
                  ": expected a tensor on CUDA device ", like.get_device_index(),
                  ", where the first argument is");
}

}  // namespace midiff
