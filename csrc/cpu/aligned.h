// Scratch memory of a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace midiff {

struct AlignedDelete {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t{64}); }
};

// Zeros on a cache line of their own, so that no vector straddles two lines.
template <class T>
std::unique_ptr<T[], AlignedDelete> aligned_zeros(int64_t count) {
  const size_t bytes = sizeof(T) * static_cast<size_t>(count);
  void* memory = ::operator new(bytes, std::align_val_t{64});
  std::memset(memory, 0, bytes);
  return std::unique_ptr<T[], AlignedDelete>(static_cast<T*>(memory));
}

}  // namespace midiff
