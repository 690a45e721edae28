#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/pool.h"
#include "support.h"

using speechq::for_phases;

TEST_CASE("every tile of every phase runs once, and after the phase before it") {
  for (int threads : {1, 2, 3, 8})
    for (std::int64_t tiles : {1, 2, 7, 40}) {
      const std::int64_t phases = 50;
      std::vector<std::atomic<int>> count(static_cast<std::size_t>(phases * tiles));
      std::atomic<std::int64_t> finished{0};
      std::atomic<int> early{0};
      const auto run = [&](std::int64_t phase, std::int64_t tile) {
        early += finished.load() < phase * tiles;
        ++count[static_cast<std::size_t>(phase * tiles + tile)];
        ++finished;
      };
      for_phases(phases, tiles, threads, run, 3);
      CHECK(early == 0);
      for (const auto& n : count) CHECK(n == 1);
    }
}

TEST_CASE("the order of the tiles turns round every so many phases") {
  std::vector<std::int64_t> order;
  const auto run = [&](std::int64_t, std::int64_t tile) { order.push_back(tile); };
  for_phases(5, 3, 1, run, 2);
  CHECK(order == std::vector<std::int64_t>{0, 1, 2, 0, 1, 2, 2, 1, 0, 2, 1, 0, 0, 1, 2});
}

TEST_CASE("nothing to do is done") {
  for_phases(0, 5, 2, [](std::int64_t, std::int64_t) { FAIL("ran"); });
  for_phases(5, 0, 2, [](std::int64_t, std::int64_t) { FAIL("ran"); });
}

TEST_CASE("two callers at the same time both finish") {
  std::atomic<std::int64_t> sum{0};
  const auto call = [&] {
    for (int i = 0; i < 100; ++i) for_phases(3, 5, 2, [&](std::int64_t, std::int64_t tile) { sum += tile; });
  };
  std::thread other(call);
  call();
  other.join();
  CHECK(sum == 2 * 100 * 3 * 10);
}
