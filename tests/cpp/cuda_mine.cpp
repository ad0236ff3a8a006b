// The Donsker-Varadhan kernels on the emulated device, tensor cores included, against the
// definition: value and all gradients, for each way to make the products.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include <numeric>

#include "csrc/cuda/mine_run.cuh"
#include "tests/cpp/emulated_launch.h"
#include "tests/cpp/keyed_numbers.h"

namespace {

using midiff::emulated::Order;
using midiff::test::count;
using midiff::test::normals;
using midiff::test::unwritten;
using namespace midiff::cuda;

struct Shape {
  int64_t members, samples, a_size, b_size, hidden;
  double slope;
  bool marginal;
  double noise = 0;
};

constexpr int64_t kSeeds[] = {11, 12};

midiff::SampleNoise noise_of(const Shape& s) {
  return {s.noise > 0 ? kSeeds : nullptr, 6, 7, 5, s.noise};
}

template <class T>
struct Arguments {
  std::vector<T> a, b, marginal, weight_a, bias_a, weight_b, bias_b, weight_h, bias_h, weight_out;
  std::vector<int64_t> permutation;

  explicit Arguments(const Shape& s) {
    std::mt19937 generator(3);
    const auto numbers = [&](int64_t size, double std) {
      return normals<T>(generator, s.members * size, std);
    };
    a = numbers(s.samples * s.a_size, 1);
    b = numbers(s.samples * s.b_size, 1);
    marginal = numbers(s.samples * s.b_size, 1);
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) b[i] += a[i];  // some information
    weight_a = numbers(s.hidden * s.a_size, 0.6);
    bias_a = numbers(s.hidden, 0.2);
    weight_b = numbers(s.hidden * s.b_size, 0.6);
    bias_b = numbers(s.hidden, 0.2);
    weight_h = numbers(s.hidden * s.hidden, 1 / std::sqrt(static_cast<double>(s.hidden)));
    bias_h = numbers(s.hidden, 0.2);
    weight_out = numbers(s.hidden, 1 / std::sqrt(static_cast<double>(s.hidden)));
    for (int64_t member = 0; member < s.members; ++member) {
      std::vector<int64_t> order(count(s.samples));
      std::iota(order.begin(), order.end(), int64_t{0});
      std::shuffle(order.begin(), order.end(), generator);
      permutation.insert(permutation.end(), order.begin(), order.end());
    }
  }
};

// The samples with their noise, number by number of the members' streams.
template <class T>
Arguments<T> with_noise(const Shape& s, Arguments<T> x) {
  const auto add = [&](std::vector<T>& samples, int64_t size, bool is_a) {
    for (int64_t member = 0; member < s.members; ++member) {
      const midiff::SampleNoise noise = noise_of(s).of_member(member);
      const midiff::RandomStream stream = is_a ? noise.of_a() : noise.of_b();
      for (int64_t i = 0; i < s.samples * size; ++i) {
        samples[count(member * s.samples * size + i)] +=
            static_cast<T>(s.noise * midiff::test::normal_at(stream, i));
      }
    }
  };
  if (s.noise > 0) {
    add(x.a, s.a_size, true);
    add(x.b, s.b_size, false);
  }
  return x;
}

// mi, then gradients of a, b, marginal, weight_a, bias_first, weight_b, weight_h, bias_h,
// weight_out.
template <class T>
using Results = std::vector<std::vector<T>>;

std::vector<int64_t> sizes_of(const Shape& s) {
  return {1,
          s.samples * s.a_size,
          s.samples * s.b_size,
          s.samples * s.b_size,
          s.hidden * s.a_size,
          s.hidden,
          s.hidden * s.b_size,
          s.hidden * s.hidden,
          s.hidden,
          s.hidden};
}

// The definition, pair by pair in double.
template <class T>
Results<double> define(const Shape& s, const Arguments<T>& given) {
  const Arguments<T> x = with_noise(s, given);
  Results<double> out;
  for (const int64_t size : sizes_of(s)) out.emplace_back(count(s.members * size), 0.0);
  const int64_t A = s.a_size, B = s.b_size, H = s.hidden, S = s.samples;
  for (int64_t m = 0; m < s.members; ++m) {
    const auto of = [m](auto& v, int64_t size) { return v.data() + m * size; };
    const auto *wa = of(x.weight_a, H * A), *wb = of(x.weight_b, H * B);
    const auto *wh = of(x.weight_h, H * H), *wo = of(x.weight_out, H);
    const auto *ba = of(x.bias_a, H), *bb = of(x.bias_b, H), *bh = of(x.bias_h, H);
    // T of a pair; its derivatives times `weight` are added where `weight` is not 0.
    const auto pair = [&](int64_t i, int64_t j, bool product, double weight) {
      const T* a = of(x.a, S * A) + i * A;
      const T* b = (product && s.marginal ? of(x.marginal, S * B) : of(x.b, S * B)) + j * B;
      std::vector<double> first(count(H)), second(count(H)), grad(count(H));
      for (int64_t h = 0; h < H; ++h) {
        first[h] = double(ba[h]) + bb[h];
        for (int64_t k = 0; k < A; ++k) first[h] += double(wa[h * A + k]) * a[k];
        for (int64_t k = 0; k < B; ++k) first[h] += double(wb[h * B + k]) * b[k];
      }
      double score = 0;
      for (int64_t h = 0; h < H; ++h) {
        second[h] = bh[h];
        for (int64_t k = 0; k < H; ++k) second[h] += wh[h * H + k] * leaky_relu(first[k], s.slope);
        score += wo[h] * leaky_relu(second[h], s.slope);
      }
      if (weight == 0) return score;
      for (int64_t h = 0; h < H; ++h) {
        of(out[9], H)[h] += weight * leaky_relu(second[h], s.slope);
        const double delta = weight * wo[h] * (second[h] > 0 ? 1 : s.slope);
        of(out[8], H)[h] += delta;
        for (int64_t k = 0; k < H; ++k) {
          of(out[7], H * H)[h * H + k] += delta * leaky_relu(first[k], s.slope);
          grad[k] += delta * wh[h * H + k] * (first[k] > 0 ? 1 : s.slope);
        }
      }
      for (int64_t h = 0; h < H; ++h) {
        of(out[5], H)[h] += grad[h];
        for (int64_t k = 0; k < A; ++k) {
          of(out[4], H * A)[h * A + k] += grad[h] * a[k];
          of(out[1], S * A)[i * A + k] += grad[h] * wa[h * A + k];
        }
        for (int64_t k = 0; k < B; ++k) {
          of(out[6], H * B)[h * B + k] += grad[h] * b[k];
          of(product && s.marginal ? out[3] : out[2], S * B)[j * B + k] += grad[h] * wb[h * B + k];
        }
      }
      return score;
    };
    const int64_t* permutation = of(x.permutation, S);
    double joint = 0, exponentials = 0;
    for (int64_t i = 0; i < S; ++i) {
      joint += pair(i, i, false, 0) / S;
      exponentials += std::exp(pair(i, permutation[i], true, 0));
    }
    out[0][count(m)] = joint - std::log(exponentials / S);
    for (int64_t i = 0; i < S; ++i) {
      pair(i, i, false, 1.0 / S);
      const double score = pair(i, permutation[i], true, 0);
      pair(i, permutation[i], true, -std::exp(score) / exponentials);
    }
  }
  return out;
}

// The op, its samples in chunks of `chunk`.
template <class T, Products kProducts>
Results<T> run(const Shape& s, const Arguments<T>& x, int64_t chunk, Order order) {
  MineTask<T> task = {};
  MineLayout& l = task.layout;
  l = MineLayout::of(s.samples, s.a_size, s.b_size, s.hidden);
  l.chunk = chunk;
  l.chunks = (s.samples + chunk - 1) / chunk;
  l.row_blocks = chunk / 256;
  l.splits = 2;
  l.input_splits = 1;
  Results<T> out;
  for (const int64_t size : sizes_of(s)) out.push_back(unwritten<T>(s.members * size));
  task.members = s.members;
  task.slope = static_cast<T>(s.slope);
  task.has_marginal = s.marginal;
  const auto rows = [&](const std::vector<T>& samples, int64_t size) {
    return midiff::SampleRows<T>{samples.data(), s.samples * size, size};
  };
  task.a = rows(x.a, s.a_size);
  task.b = rows(x.b, s.b_size);
  task.marginal_b = s.marginal ? rows(x.marginal, s.b_size) : task.b;
  task.noise = noise_of(s);
  task.permutation = x.permutation.data();
  task.weight_a = x.weight_a.data();
  task.bias_a = x.bias_a.data();
  task.weight_b = x.weight_b.data();
  task.bias_b = x.bias_b.data();
  task.weight_h = x.weight_h.data();
  task.bias_h = x.bias_h.data();
  task.weight_out = x.weight_out.data();
  T** results[] = {&task.mi,
                   &task.grad_a,
                   &task.grad_b,
                   &task.grad_marginal_b,
                   &task.grad_weight_a,
                   &task.grad_bias_first,
                   &task.grad_weight_b,
                   &task.grad_weight_h,
                   &task.grad_bias_h,
                   &task.grad_weight_out};
  for (size_t i = 0; i < out.size(); ++i) *results[i] = out[i].data();
  std::vector<std::vector<unsigned char>> scratch;  // of NaN bytes
  for_each_scratch(task, [&](auto*& pointer, int64_t size) {
    scratch.emplace_back(count(s.members * size) * sizeof(*pointer), 0xFF);
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(scratch.back().data());
  });
  run_mine<T, kProducts>(task, [&](auto kernel, int64_t gx, int64_t gy, int64_t gz, int threads,
                                   int64_t shared, const auto&... arguments) {
    midiff::emulated::launch(kernel, midiff::test::blocks(gx, gy, gz),
                             {static_cast<unsigned>(threads)}, count(shared), order, arguments...);
  });
  if (!s.marginal) out[3].assign(out[3].size(), T(0));
  return out;
}

// The largest relative error, in the Euclidean norm, of a result; of one below 0.1 in size (a
// bias's gradient vanishes where the critic is linear), relative to that.
template <class T>
double error(const Results<T>& got, const Results<double>& wanted) {
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    double whole = 0, difference = 0;
    for (size_t k = 0; k < wanted[i].size(); ++k) {
      MF_EXPECT(std::isfinite(got[i][k]));
      whole += wanted[i][k] * wanted[i][k];
      difference += (got[i][k] - wanted[i][k]) * (got[i][k] - wanted[i][k]);
    }
    worst = std::max(worst, std::sqrt(difference / std::max(whole, 0.01)));
  }
  return worst;
}

void test_double(const Shape& shape, int64_t chunk, bool races) {
  const Arguments<double> x(shape);
  const auto once = [&](Order order) {
    return run<double, Products::kHighest>(shape, x, chunk, order);
  };
  const Results<double> got = once(Order::kForward);
  MF_EXPECT(error(got, define(shape, x)) < 1e-11);
  if (races) MF_EXPECT(got == once(Order::kShuffled));
}

void test_highest(const Shape& shape, int64_t chunk, double limit) {
  const Arguments<float> x(shape);
  const auto got = run<float, Products::kHighest>(shape, x, chunk, Order::kForward);
  MF_EXPECT(error(got, define(shape, x)) < limit);
}

// With slope 1: rounding a sum near 0 to the other side would change a derivative at one go.
void test_high(const Shape& shape, int64_t chunk) {
  const Arguments<float> x(shape);
  const auto got = run<float, Products::kHigh>(shape, x, chunk, Order::kShuffled);
  const double of_high = error(got, define(shape, x));
  MF_EXPECT(of_high < 3e-3 && of_high > 1e-5);  // and it is not "highest" by mistake
}

// In one unit of the second sample: shows in the estimate, and in the gradients of all that it
// feeds.
void test_not_a_number() {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false};
  Arguments<float> x(shape);
  x.a[count(shape.samples * shape.a_size) + 4] = std::numeric_limits<float>::quiet_NaN();
  const auto check = [&](const Results<float>& got) {
    MF_EXPECT(std::isfinite(got[0][0]) && std::isnan(got[0][1]));
    for (size_t i = 4; i < got.size(); ++i) {
      const size_t half = got[i].size() / 2;
      for (size_t k = 0; k < half; ++k)
        MF_EXPECT(std::isfinite(got[i][k]) && std::isnan(got[i][half + k]));
    }
  };
  check(run<float, Products::kHighest>(shape, x, 256, Order::kForward));
  check(run<float, Products::kHigh>(shape, x, 256, Order::kForward));
}

// Nobody looks at the permutation beforehand: an index out of range is read and written nowhere.
void test_no_permutation() {
  const Shape shape = {2, 60, 3, 2, 7, 0.0, false, 0.5};
  Arguments<float> x(shape);
  x.permutation[3] = 60;
  x.permutation[60] = -1;
  const auto got = run<float, Products::kHighest>(shape, x, 256, Order::kForward);
  MF_EXPECT(std::isnan(got[0][0]) && std::isnan(got[0][1]));
}

}  // namespace

int main() {
  test_double({1, 40, 3, 2, 7, 0.0, false}, 256, false);
  test_double({2, 300, 5, 17, 33, 0.2, true, 0.5}, 256, true);  // two chunks, the second one short
  test_double({2, 70, 6, 8, 9, 0.2, false, 0.5}, 256, false);
  test_double({1, 60, 5, 6, 130, 0.3, false}, 256, false);  // two tiles of units
  // 2.3e-6 if sums were left to tensor cores.
  test_highest({1, 200, 5, 6, 20, 0.1, false}, 256, 1e-6);
  test_highest({1, 150, 40, 60, 130, 0.1, true}, 256, 3e-6);
  test_high({1, 200, 5, 6, 20, 1.0, false}, 256);
  // Two chunks and two members.
  test_highest({2, 300, 5, 6, 20, 0.1, true, 0.5}, 256, 1e-6);
  test_high({2, 300, 5, 6, 20, 1.0, true}, 256);
  test_not_a_number();
  test_no_permutation();
}
