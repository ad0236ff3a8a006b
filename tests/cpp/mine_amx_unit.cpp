// The Donsker-Varadhan kernels for tiles on the processor's own tile unit, where there is one: what
// they find, and that threads which take turns on a core keep their tiles.
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "csrc/cpu/kernels.h"
#include "tests/cpp/mine_amx_checks.h"

namespace {

using namespace midiff;

void check_threads(const MineKernel<float>& kernel) {
  constexpr int kThreads = 8, kTimes = 4;
  const test::Problem<float> p({600, 20, 20, 100}, 0.25);
  const std::vector<float> wanted = test::run_lane(kernel, p).sums;
  std::vector<int> different(kThreads, 0);
  std::vector<std::thread> threads;
  for (int& count : different)
    threads.emplace_back([&kernel, &p, &wanted, &count] {
      for (int i = 0; i < kTimes; ++i) count += test::run_lane(kernel, p).sums != wanted;
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : different) MF_EXPECT(count == 0);
}

}  // namespace

int main() {
  if (!bf16_in_tiles()) {
    std::puts("no tile unit here");
    return 0;
  }
  for (const auto& [kernel, tolerance] :
       {std::pair(amx::mine, test::kWhole), std::pair(amx::mine_split, test::kSplit)}) {
    test::check_tiles(*kernel, tolerance);
    check_threads(*kernel);
  }
}
