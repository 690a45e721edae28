#include "base/pool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace speechq {
namespace {

constexpr int kSpins = 2000;  // tens of microseconds: longer than a time step, too short to disturb others

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins for a while, then gives the processor away until `ready` holds.
template <class Ready>
void wait_until(const Ready& ready) {
  for (int spin = 0; !ready(); ++spin) {
    if (spin < kSpins)
      relax();
    else
      std::this_thread::yield();
  }
}

struct alignas(64) TileState {
  std::atomic<std::int64_t> next_phase{0};
};

// Whether a phase goes through the tiles from the last to the first.
bool downwards(std::int64_t phase, std::int64_t turn) { return phase / turn % 2 == 1; }

struct Job {
  std::int64_t phases, tiles, turn;
  int participants;
  TileFunction function;
  const void* context;
  std::unique_ptr<TileState[]> states;
  alignas(64) std::atomic<std::int64_t> finished{0};

  // Each participant begins at its own share, so that the data of a tile stays in one core's cache over the
  // phases, and then takes what others have not begun yet.
  void work(int participant) {
    const std::int64_t first = participant * tiles / participants;
    const std::int64_t last = (participant + 1) * tiles / participants - 1;
    // A participant that joins late enters at the phase that the others are in.
    for (std::int64_t phase = finished.load(std::memory_order_acquire) / tiles; phase < phases; ++phase) {
      const bool down = downwards(phase, turn);
      for (std::int64_t i = 0; i < tiles; ++i) {
        const std::int64_t tile = (down ? last - i + tiles : first + i) % tiles;
        std::atomic<std::int64_t>& next = states[tile].next_phase;
        std::int64_t expected = phase;
        if (next.load(std::memory_order_relaxed) != phase ||
            !next.compare_exchange_strong(expected, phase + 1, std::memory_order_relaxed))
          continue;
        function(context, phase, tile);
        finished.fetch_add(1, std::memory_order_acq_rel);
      }
      wait_until([&] { return finished.load(std::memory_order_acquire) >= (phase + 1) * tiles; });
    }
  }
};

class Pool {
 public:
  // False if another thread is using the pool: the caller then does the work alone.
  bool run(Job& job) {
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock()) return false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (; workers_ < job.participants - 1; ++workers_)
        std::thread([this, number = workers_ + 1] { serve(number); }).detach();
      job_ = &job;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job.work(0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = nullptr;
    }
    wait_until([&] { return active_.load(std::memory_order_acquire) == 0; });
    return true;
  }

 private:
  void serve(int number) {
    std::uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin)
        relax();
      Job* job = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (job_ != nullptr && number < job_->participants) {
          job = job_;
          active_.fetch_add(1, std::memory_order_relaxed);
        }
      }
      if (job == nullptr) continue;
      job->work(number);
      active_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex callers_, mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> active_{0};
  Job* job_ = nullptr;
  int workers_ = 0;
};

// Threads do not survive a fork, so a child gets a pool of its own. Never destroyed: the workers may still
// wait in it when the program ends.
Pool& pool() {
  static std::mutex guard;
  static Pool* instance = nullptr;
  static pid_t owner = 0;
  std::lock_guard<std::mutex> lock(guard);
  if (instance == nullptr || owner != getpid()) {
    instance = new Pool;
    owner = getpid();
  }
  return *instance;
}

}  // namespace

void run_phases(std::int64_t phases, std::int64_t tiles, int threads, TileFunction function,
                const void* context, std::int64_t turn) {
  if (phases <= 0 || tiles <= 0) return;
  const int participants = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), tiles));
  if (participants > 1) {
    Job job{phases, tiles, turn, participants, function, context, std::make_unique<TileState[]>(tiles)};
    if (pool().run(job)) return;
  }
  for (std::int64_t phase = 0; phase < phases; ++phase)
    for (std::int64_t i = 0; i < tiles; ++i)
      function(context, phase, downwards(phase, turn) ? tiles - 1 - i : i);
}

}  // namespace speechq
