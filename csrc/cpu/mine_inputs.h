// The samples of a chunk, brought to where the Donsker-Varadhan kernel reads them: as rows with a
// constant 1 (for the first layer's gradient) and as columns (for the layer itself); in pairs where
// the products take pairs. Missing samples are zero; their weights are zero too.
#pragma once

#include <cstdint>
#include <cstring>

#include "csrc/cpu/mine_layout.h"
#include "csrc/cpu/random_kernel.h"
#include "csrc/cpu/vec_partial.h"

namespace midiff::MF_ISA {

template <class T, class Factor>
class MineInputs {
 public:
  MineInputs(const MineLayout<T, Factor>& layout, const MineSamples<T>& samples, T* scratch)
      : l_(layout), samples_(samples), scratch_(scratch) {}

  // `count` samples from number `first` on, joint pairs and product pairs.
  void bring_in(int64_t first, int64_t count) const {
    if (samples_.noise) {
      draw(samples_.noise.of_a(), first * l_.a, count * l_.a, scratch_ + l_.noise_a());
      draw(samples_.noise.of_b(), first * l_.b, count * l_.b, scratch_ + l_.noise_b());
    }
    for (int kind = 0; kind < 2; ++kind) {
      T* rows = scratch_ + l_.inputs_r() + kind * l_.chunk * l_.in_rows;
      for (int64_t s = 0; s < l_.chunk; ++s) {
        T* row = rows + l_.row_of(s) * l_.in_rows;
        if (s < count)
          load_row(kind, first, s, row);
        else
          std::memset(row, 0, sizeof(T) * l_.in_rows);
      }
      if constexpr (kPairs) pair_rows(kind, rows);
      // Both kinds share the product with a: its columns are read of the joint pairs alone.
      if (kind == 0) load_columns(kind, rows, 0, l_.a_factors);
      load_columns(kind, rows, l_.a_factors, l_.b_factors);
    }
  }

 private:
  static constexpr int kL = kLanes<T>;
  static constexpr int kP = kPanel<T>;
  static constexpr bool kPairs = MineLayout<T, Factor>::kPairs;
  static constexpr int64_t kPrefetched = 16;  // samples

  // Sample number s of the chunk that begins at `first`.
  MF_HD void load_row(int kind, int64_t first, int64_t s, T* row) const {
    const int64_t sample = first + s;
    const bool noisy = static_cast<bool>(samples_.noise);
    copy(samples_.a.at(sample), noisy ? scratch_ + l_.noise_a() + s * l_.a : nullptr, l_.a, row);
    const T* b = samples_.b.at(sample);
    const T* noise = noisy ? scratch_ + l_.noise_b() + s * l_.b : nullptr;
    if (kind == 1) {
      prefetch_shuffled(sample + kPrefetched);
      b = samples_.marginal_b.at(samples_.permutation[sample]);
      noise = samples_.noisy_marginal ? shuffled_noise(samples_.permutation[sample]) : nullptr;
    }
    copy(b, noise, l_.b, row + l_.a);
    row[l_.in] = 1;
    for (int64_t i = l_.in + 1; i < l_.in_rows; ++i) row[i] = 0;
  }

  // Shuffled rows lie anywhere in memory, and only we know where the next ones do.
  MF_HD void prefetch_shuffled(int64_t sample) const {
    if (sample >= samples_.count) return;
    const T* row = samples_.marginal_b.at(samples_.permutation[sample]);
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t i = 0; i < l_.b; i += kLine) __builtin_prefetch(row + i);
    __builtin_prefetch(row + l_.b - 1);
  }

  // `noise` may be null. A few elements: a call of memcpy would take longer than the copying.
  MF_HD static void copy(const T* from, const T* noise, int64_t count, T* to) {
    for (int64_t i = 0; i < count; i += kL) {
      Vec<T> value = load_first(from + i, count - i);
      if (noise != nullptr) value += load_first(noise + i, count - i);
      store_first(to + i, value, count - i);
    }
  }

  // Numbers first, first + 1, … of the stream; `first` is a multiple of 4, as chunks are.
  void draw(RandomStream stream, int64_t first, int64_t count, T* out) const {
    const T std = static_cast<T>(samples_.noise.std);
    if constexpr (sizeof(T) == 4)
      normal_float(stream, first, count, std, out);
    else
      normal_double(stream, first, count, std, out);
  }

  // That of row `sample` of b, drawn once more: it lies anywhere in the stream.
  const T* shuffled_noise(int64_t sample) const {
    const int64_t first = sample * l_.b, before = first % 4;
    T* out = scratch_ + l_.noise_shuffled();
    draw(samples_.noise.of_b(), first - before, before + l_.b, out);
    return out + before;
  }

  // Where the factors of row 0 begin, and how far rows are apart.
  T* row_factors(int kind) const {
    return scratch_ + l_.inputs_f() + kind * l_.chunk * l_.row_factors();
  }

  // Columns of `size` factors, the first of them number `begin`, of rows as they are or in pairs.
  // Samples of one vector stand four rows apart. The last block of a row may read into the next
  // one: those columns are not written.
  void load_columns(int kind, const T* rows, int64_t begin, int64_t size) const {
    const int64_t stride = kPairs ? l_.row_factors() : l_.in_rows;
    const T* from = kPairs ? row_factors(kind) + round_up(begin, kL) : rows + begin;
    T* columns = scratch_ + l_.inputs_t() + (kind * l_.chunk * l_.in_factors + begin * kP);
    for (int64_t s = 0; s < l_.chunk; s += kL)
      for (int64_t i = 0; i < size; i += kL)
        transpose_block(from + l_.row_of(s) * stride + i, 4 * stride, kL,
                        columns + (s / kP * l_.in_factors + i) * kP + s % kP, kP,
                        at_most(size - i, kL));
  }

  // Inputs in pairs: neighbours in a row for the first layer (of an odd group, the last one is
  // paired with whatever follows, which has a weight of 0), two rows for its gradient.
  void pair_rows(int kind, const T* rows) const {
    T* along = row_factors(kind);
    T* across = scratch_ + l_.inputs_s() + kind * l_.chunk / 2 * l_.in_rows;
    const int64_t behind_a = round_up(l_.a_factors, kL);
    for (int64_t r = 0; r < l_.chunk; ++r) {
      const T* row = rows + r * l_.in_rows;
      T* pairs = along + r * l_.row_factors();
      for (int64_t i = 0; kind == 0 && i < l_.a_factors; i += kL)
        store(as_factors<Factor>(pairs + i), pairs_along(row + 2 * i));
      for (int64_t i = 0; i < l_.b_factors; i += kL)
        store(as_factors<Factor>(pairs + behind_a + i), pairs_along(row + l_.a + 2 * i));
    }
    for (int64_t r = 0; r < l_.chunk; r += 2) {
      const T* row = rows + r * l_.in_rows;
      for (int64_t i = 0; i < l_.in_rows; i += kL)
        store_first(across + r / 2 * l_.in_rows + i,
                    (Vec<T>)pairs_across(load(row + i), load(row + l_.in_rows + i)),
                    l_.in_rows - i);
    }
  }

  const MineLayout<T, Factor>& l_;
  const MineSamples<T>& samples_;
  T* const scratch_;
};

}  // namespace midiff::MF_ISA
