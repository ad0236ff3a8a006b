// A CUDA device in one thread: runs a kernel's source as it stands, with fibers for its threads.
//
// Include before the kernel's header. It knows blocks, block and warp barriers, shuffles, votes,
// dynamic shared memory and asynchronous copies. Blocks run one after the other. Between two
// barriers the threads run one after the other, in the order a test chooses: what depends on it is
// a race. Shared memory starts as NaN bytes and, like the tensors around it, is watched by the
// address sanitizer. Asynchronous copies arrive when they are waited for, at the latest possible
// moment.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define MF_EMULATED_CUDA 1

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __shared__ static_assert(false, "kernels use shared_memory<T>()");

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace midiff::emulated {

enum class Order { kForward, kBackward, kShuffled };

struct Fiber {
  enum class State { kReady, kAtBlockBarrier, kAtWarpBarrier, kDone };
  struct Copy {
    void* to;
    const void* from;
    int bytes;
  };
  ucontext_t context;
  unsigned char* stack = nullptr;
  State state = State::kReady;
  dim3 thread;
  uint64_t exchange = 0;                         // what the thread shows to its warp
  uint64_t received[32];                         // what its warp showed
  unsigned reached = 0;                          // lanes that took part
  std::vector<std::vector<Copy>> groups = {{}};  // asynchronous copies; the last group is open
};

struct Block {
  dim3 grid, block, index;
  std::vector<Fiber> fibers;
  std::vector<unsigned char> shared;
  ucontext_t scheduler;
  Fiber* running = nullptr;
  std::function<void()> kernel;
};

inline Block* current = nullptr;
inline constexpr size_t kStack = 128 << 10;

inline void fail(const char* message) {
  std::fprintf(stderr, "emulated device: %s\n", message);
  std::exit(1);
}

inline void enter() {
  Block& block = *current;
  block.kernel();
  block.running->state = Fiber::State::kDone;
  swapcontext(&block.running->context, &block.scheduler);
}

inline void wait(Fiber::State state) {
  Block& block = *current;
  block.running->state = state;
  swapcontext(&block.running->context, &block.scheduler);
}

// Lets the warps go on whose live lanes have all arrived; every lane gets what the others show.
inline bool release_warps(Block& block) {
  bool any = false;
  const size_t threads = block.fibers.size();
  for (size_t first = 0; first < threads; first += 32) {
    const size_t last = std::min(first + 32, threads);
    unsigned reached = 0;
    bool ready = true;
    for (size_t i = first; i < last; ++i) {
      const Fiber::State state = block.fibers[i].state;
      if (state == Fiber::State::kAtWarpBarrier) reached |= 1u << (i - first);
      ready = ready && (state == Fiber::State::kAtWarpBarrier || state == Fiber::State::kDone);
    }
    if (!ready || reached == 0) continue;
    any = true;
    for (size_t i = first; i < last; ++i) {
      Fiber& fiber = block.fibers[i];
      if (fiber.state != Fiber::State::kAtWarpBarrier) continue;
      for (size_t j = first; j < last; ++j) fiber.received[j - first] = block.fibers[j].exchange;
      fiber.reached = reached;
      fiber.state = Fiber::State::kReady;
    }
  }
  return any;
}

inline void run_block(Block& block, Order order) {
  uint32_t random = 12345;
  std::vector<Fiber*> turn;
  for (Fiber& fiber : block.fibers) turn.push_back(&fiber);
  if (order == Order::kBackward) std::reverse(turn.begin(), turn.end());
  for (;;) {
    if (order == Order::kShuffled)
      for (size_t i = turn.size(); i > 1; --i) {
        random = random * 1664525u + 1013904223u;
        std::swap(turn[i - 1], turn[(random >> 8) % i]);
      }
    bool ran = false;
    for (Fiber* fiber : turn) {
      if (fiber->state != Fiber::State::kReady) continue;
      ran = true;
      block.running = fiber;
      swapcontext(&block.scheduler, &fiber->context);
    }
    if (release_warps(block) || ran) continue;
    size_t waiting = 0, done = 0;
    for (const Fiber& fiber : block.fibers) {
      waiting += fiber.state == Fiber::State::kAtBlockBarrier;
      done += fiber.state == Fiber::State::kDone;
    }
    if (done == block.fibers.size()) return;
    if (waiting + done != block.fibers.size()) fail("some lanes of a warp never reach its barrier");
    for (Fiber& fiber : block.fibers)
      if (fiber.state == Fiber::State::kAtBlockBarrier) fiber.state = Fiber::State::kReady;
  }
}

// The stack of a thread, kept from launch to launch and not cleared.
inline unsigned char* stack_of(unsigned number) {
  static std::vector<std::unique_ptr<unsigned char[]>> stacks;
  while (stacks.size() <= number) stacks.emplace_back(new unsigned char[kStack]);
  return stacks[number].get();
}

// Puts one thread at the beginning of the kernel.
__attribute__((noinline)) inline void start(Block& block, unsigned number) {
  Fiber& fiber = block.fibers[number];
  fiber.state = Fiber::State::kReady;
  fiber.groups = {{}};
  const unsigned x = block.block.x, y = block.block.y;
  fiber.thread = {number % x, number / x % y, number / x / y};
  if (getcontext(&fiber.context) != 0) fail("no context");
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, &enter, 0);
}

// kernel(arguments...) on grid × threads with `shared_bytes` of dynamic shared memory.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 threads, size_t shared_bytes,
            Order order, const Arguments&... arguments) {
  const unsigned count = threads.x * threads.y * threads.z;
  if (count == 0 || count > 1024) fail("a block has 1 to 1,024 threads");
  if (shared_bytes > 227 * 1024) fail("a block has at most 227 KB of shared memory");
  Block block;
  block.grid = grid;
  block.block = threads;
  block.fibers.resize(count);
  for (unsigned i = 0; i < count; ++i) block.fibers[i].stack = stack_of(i);
  block.kernel = [&] { kernel(arguments...); };
  current = &block;
  for (block.index.z = 0; block.index.z < grid.z; ++block.index.z)
    for (block.index.y = 0; block.index.y < grid.y; ++block.index.y)
      for (block.index.x = 0; block.index.x < grid.x; ++block.index.x) {
        block.shared.assign(shared_bytes, 0xFF);
        for (unsigned i = 0; i < count; ++i) start(block, i);
        run_block(block, order);
      }
  current = nullptr;
}

// All lanes of a warp meet; each gets what lane source(lane) of a `width`-wide group shows.
template <class T, class Source>
T exchange(T value, int width, const Source& source) {
  static_assert(sizeof(T) <= 8);
  Fiber& fiber = *current->running;
  const unsigned lane = static_cast<unsigned>(&fiber - current->fibers.data()) % 32;
  fiber.exchange = 0;
  std::memcpy(&fiber.exchange, &value, sizeof(T));
  wait(Fiber::State::kAtWarpBarrier);
  const int group = static_cast<int>(lane) / width * width;
  const int from = source(static_cast<int>(lane) - group);
  if (from < 0 || from >= width) return value;
  if (!(fiber.reached >> (group + from) & 1)) fail("a shuffle from a lane that is not there");
  T result;
  std::memcpy(&result, &fiber.received[group + from], sizeof(T));
  return result;
}

}  // namespace midiff::emulated

#define threadIdx (::midiff::emulated::current->running->thread)
#define blockIdx (::midiff::emulated::current->index)
#define blockDim (::midiff::emulated::current->block)
#define gridDim (::midiff::emulated::current->grid)

inline void __syncthreads() {
  midiff::emulated::wait(midiff::emulated::Fiber::State::kAtBlockBarrier);
}
inline void __syncwarp(unsigned = 0xFFFFFFFFu) {
  midiff::emulated::wait(midiff::emulated::Fiber::State::kAtWarpBarrier);
}
template <class T>
T __shfl_sync(unsigned, T value, int lane, int width = 32) {
  return midiff::emulated::exchange(value, width, [=](int) { return lane % width; });
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask, int width = 32) {
  return midiff::emulated::exchange(value, width, [=](int own) { return own ^ mask; });
}
template <class T>
T __shfl_down_sync(unsigned, T value, int distance, int width = 32) {
  return midiff::emulated::exchange(value, width, [=](int own) { return own + distance; });
}
template <class T>
T __shfl_up_sync(unsigned, T value, int distance, int width = 32) {
  return midiff::emulated::exchange(value, width, [=](int own) { return own - distance; });
}
inline unsigned __ballot_sync(unsigned, int predicate) {
  midiff::emulated::Fiber& fiber = *midiff::emulated::current->running;
  fiber.exchange = predicate != 0;
  midiff::emulated::wait(midiff::emulated::Fiber::State::kAtWarpBarrier);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (fiber.reached >> lane & 1) votes |= static_cast<unsigned>(fiber.received[lane]) << lane;
  return votes;
}
inline unsigned __popc(unsigned value) { return static_cast<unsigned>(__builtin_popcount(value)); }
inline void sincospif(float x, float* sine, float* cosine) {
  constexpr double kPi = 3.14159265358979323846;
  *sine = static_cast<float>(std::sin(kPi * static_cast<double>(x)));
  *cosine = static_cast<float>(std::cos(kPi * static_cast<double>(x)));
}
template <class T>
T __ldg(const T* pointer) {
  return *pointer;
}

inline float __uint_as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace midiff::cuda {

template <class T>
T* shared_memory() {
  return reinterpret_cast<T*>(emulated::current->shared.data());
}

template <int bytes>
void copy_async(void* shared, const void* global) {
  const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; };
  if (!aligned(shared) || !aligned(global))
    emulated::fail("a copy that is not aligned to its size");
  emulated::current->running->groups.back().push_back({shared, global, bytes});
}

inline void commit_copies() { emulated::current->running->groups.emplace_back(); }

template <int pending>
void wait_copies() {
  auto& groups = emulated::current->running->groups;
  while (groups.size() > pending + 1) {
    for (const auto& copy : groups.front())
      std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
    groups.erase(groups.begin());
  }
}

// The nearest number with 10 bits of mantissa, ties away from zero.
inline float to_tf32(float x) {
  return std::isfinite(x) ? __uint_as_float((__float_as_uint(x) + 0x1000u) & ~0x1FFFu) : x;
}

// ldmatrix.x4 of 32-bit numbers: lane 8 m + r points at row r of piece m.
inline void load_pieces(float (&out)[4], const float* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) emulated::fail("a row that is not aligned");
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int piece = 0; piece < 4; ++piece)
    out[piece] = emulated::exchange(row, 32, [=](int) { return 8 * piece + lane / 4; })[lane % 4];
}

// mma.m16n8k8 with TF32 numbers: lane 4 g + t holds a[g + 8 (k % 2), t + 4 (k / 2)], b[t + 4 k, g],
// and gets sum[g + 8 (k / 2), 2 t + k % 2]. Bits below TF32 are not looked at, and the result is
// cut toward zero, not rounded to the nearest: so do the tensor cores.
inline void multiply_tf32(float (&sum)[4], const float (&a)[4], const float (&b)[2]) {
  struct Fragment {
    float a[4], b[2];
  } own;
  const auto cut = [](float x) { return __uint_as_float(__float_as_uint(x) & ~0x1FFFu); };
  for (int k = 0; k < 4; ++k) own.a[k] = cut(a[k]);
  for (int k = 0; k < 2; ++k) own.b[k] = cut(b[k]);
  emulated::Fiber& fiber = *emulated::current->running;
  fiber.exchange = reinterpret_cast<uint64_t>(&own);
  emulated::wait(emulated::Fiber::State::kAtWarpBarrier);
  if (fiber.reached != 0xFFFFFFFFu) emulated::fail("a matrix product without the whole warp");
  const auto of_lane = [&](int lane) {
    return reinterpret_cast<const Fragment*>(fiber.received[lane]);
  };
  const int lane = static_cast<int>(&fiber - emulated::current->fibers.data()) % 32;
  const int g = lane / 4, t = lane % 4;
  for (int k = 0; k < 4; ++k) {
    double total = static_cast<double>(sum[k]);
    for (int depth = 0; depth < 8; ++depth) {
      const Fragment* left = of_lane(4 * g + depth % 4);
      const Fragment* right = of_lane(4 * (2 * t + k % 2) + depth % 4);
      total += static_cast<double>(left->a[k / 2 + depth / 4 * 2]) *
               static_cast<double>(right->b[depth / 4]);
    }
    const float nearest = static_cast<float>(total);
    const bool away = std::abs(static_cast<double>(nearest)) > std::abs(total);
    sum[k] = away ? std::nextafter(nearest, 0.0f) : nearest;
  }
  __syncwarp();  // nobody leaves while the others read
}

}  // namespace midiff::cuda
