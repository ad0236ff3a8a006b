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

template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete>;

// Uninitialised memory on a cache line of its own, so that no vector straddles two lines.
template <class T>
AlignedArray<T> aligned_memory(int64_t count) {
  void* memory = ::operator new(sizeof(T) * static_cast<size_t>(count), std::align_val_t{64});
  return AlignedArray<T>(static_cast<T*>(memory));
}

// The same, filled with zeros.
template <class T>
AlignedArray<T> aligned_zeros(int64_t count) {
  AlignedArray<T> memory = aligned_memory<T>(count);
  std::memset(memory.get(), 0, sizeof(T) * static_cast<size_t>(count));
  return memory;
}

}  // namespace midiff
