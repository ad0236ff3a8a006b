// Random numbers and trajectories of the CUDA kernels on the emulated device, against the CPU's.
#include "tests/cpp/emulated_cuda.h"
// After the device:
#include "csrc/cuda/random_kernel.cuh"
#include "csrc/cuda/trajectories_kernel.cuh"
#include "tests/cpp/harness.h"

namespace {

using midiff::Kernels;
using midiff::RandomStream;
using midiff::TrajectoryTask;
using midiff::emulated::launch;
using midiff::emulated::Order;
using namespace midiff::cuda;

constexpr int64_t kSeeds[] = {7, -3};
constexpr uint32_t kPurpose = 5, kStep = 9;

template <class T, class Numbers>
std::vector<T> draw(int64_t count, const Numbers& numbers) {
  std::vector<T> out(static_cast<size_t>(2 * count));
  const RandomTask task = {kSeeds, kPurpose, kStep, count};
  const unsigned blocks =
      static_cast<unsigned>((count + 4 * kRandomThreads - 1) / (4 * kRandomThreads));
  launch(random_numbers<T, Numbers>, {blocks, 2}, {kRandomThreads}, 0, Order::kForward, task,
         numbers, out.data());
  return out;
}

// fill(stream, first, count, target), of the CPU, for both seeds.
template <class T, class Fill>
std::vector<T> fill(int64_t count, const Fill& fill_one) {
  std::vector<T> out(static_cast<size_t>(2 * count));
  for (int64_t i = 0; i < 2; ++i)
    fill_one(RandomStream{static_cast<uint64_t>(kSeeds[i]), kPurpose, kStep}, int64_t{0}, count,
             out.data() + i * count);
  return out;
}

template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

void test_random(const Kernels& kernels) {
  for (const int64_t count : {1, 2, 3, 4, 5, 1023, 1030, 20000}) {
    MF_EXPECT(draw<float>(count, UniformNumbers{}) ==
              fill<float>(count, kernels.random.uniform_float));
    MF_EXPECT(draw<double>(count, UniformNumbers{}) ==
              fill<double>(count, kernels.random.uniform_double));
    const std::vector<uint32_t> words = fill<uint32_t>(count, kernels.random.bits);
    const std::vector<int64_t> keys = draw<int64_t>(count, KeyNumbers{});
    MF_EXPECT(std::equal(words.begin(), words.end(), keys.begin(), keys.end()));
    const auto normal_double = [&](auto... rest) {
      const auto [stream, first, size, target] = std::tuple(rest...);
      kernels.random.normal_double(stream, first, size, 1.0, target);
    };
    const std::vector<double> exact = fill<double>(count, normal_double);
    MF_EXPECT(distance(draw<double>(count, NormalNumbers<double>{1.0}), exact) < 1e-14);
    const std::vector<float> single = draw<float>(count, NormalNumbers<float>{1.0f});
    MF_EXPECT(distance(std::vector<double>(single.begin(), single.end()), exact) < 1e-6);
  }
}

// The ends and the folds of both words, where a careless formula loses the number.
void test_box_muller() {
  const uint32_t edges[] = {0u,          1u,          0x1FFFFFFFu, 0x20000000u, 0x7FFFFFFFu,
                            0x80000000u, 0x80000001u, 0xDFFFFFFFu, 0xE0000000u, 0xFFFFFFFFu};
  for (const uint32_t radius_word : edges)
    for (const uint32_t angle_word : edges) {
      const double radius = std::sqrt(-2 * std::log(midiff::radius_uniform(radius_word)));
      const double angle = midiff::angle_from(angle_word);
      const NormalPair got = box_muller(radius_word, angle_word);
      MF_EXPECT(std::abs(got.cosine - radius * std::cos(angle)) < 1e-6);
      MF_EXPECT(std::abs(got.sine - radius * std::sin(angle)) < 1e-6);
    }
}

// Bit for bit: chaos makes another trajectory of any other rounding.
template <class System>
void test_trajectories(const Kernels& kernels, int64_t system, std::vector<double> parameter) {
  constexpr int64_t kTrajectories = 37, kSamples = 300, kFirst = 20, kD = System::kDimension;
  std::vector<double> initial, parameters;
  for (int64_t m = 0; m < kTrajectories; ++m) {
    for (int64_t i = 0; i < kD; ++i) initial.push_back(1.0 + 0.1 * static_cast<double>(m + i));
    parameters.insert(parameters.end(), parameter.begin(), parameter.end());
  }
  const auto run = [&](const auto& work) {
    std::vector<double> out(static_cast<size_t>(kTrajectories * (kSamples - kFirst + 2) * kD), NAN);
    double* lowest = out.data() + kTrajectories * (kSamples - kFirst) * kD;
    work(TrajectoryTask{kTrajectories, kSamples, kFirst, 2, 0.005, initial.data(),
                        parameters.data(), out.data(), lowest, lowest + kTrajectories * kD});
    return out;
  };
  const auto on_cpu = run([&](const TrajectoryTask& task) {
    const int64_t block = kernels.trajectories.block;
    kernels.trajectories.integrate[system](task, 0, (kTrajectories + block - 1) / block);
  });
  const auto on_device = run([&](const TrajectoryTask& task) {
    launch(integrate<System>, {2}, {kTrajectoryThreads}, 0, Order::kForward, task);
  });
  MF_EXPECT(on_cpu == on_device);
}

}  // namespace

int main() {
  test_box_muller();
  midiff::test::for_each_instruction_set([](const Kernels& kernels) {
    test_random(kernels);
    test_trajectories<midiff::Lorenz>(kernels, 0, {10.0, 28.0, 8.0 / 3});
    test_trajectories<midiff::Rossler>(kernels, 1, {0.2, 0.2, 5.7});
  });
}
