// A few persistent threads that share the tiles of a job with the calling thread.
//
// A job has `phases` phases of `tiles` tiles. All tiles of a phase are finished before any tile of the next
// one starts, so a recurrence can put one time step in a phase. Which thread runs a tile is decided while it
// runs, so a tile must not depend on the thread; then results do not depend on the number of threads either.
#pragma once

#include <cstdint>

namespace speechq {

constexpr std::int64_t kNeverTurn = INT64_MAX;

using TileFunction = void (*)(const void* context, std::int64_t phase, std::int64_t tile);

// Runs the job on up to `threads` threads, the caller being one of them; returns when all is done. Every
// `turn` phases the order of the tiles turns round, so that what is left in the cache of data that does not
// fit it is used before it is pushed out.
void run_phases(std::int64_t phases, std::int64_t tiles, int threads, TileFunction function,
                const void* context, std::int64_t turn);

// The same for a callable (phase, tile).
template <class Function>
void for_phases(std::int64_t phases, std::int64_t tiles, int threads, const Function& function,
                std::int64_t turn = kNeverTurn) {
  run_phases(
      phases, tiles, threads,
      [](const void* context, std::int64_t phase, std::int64_t tile) {
        (*static_cast<const Function*>(context))(phase, tile);
      },
      &function, turn);
}

// One phase: a callable (tile).
template <class Function>
void for_tiles(std::int64_t tiles, int threads, const Function& function) {
  for_phases(1, tiles, threads, [&](std::int64_t, std::int64_t tile) { function(tile); });
}

}  // namespace speechq
