#include <doctest/doctest.h>

#include "decoders/alignment.h"

using speechq::decoders::Alignment;

TEST_CASE("times live as long as someone holds them") {
  Alignment times;
  const auto first = times.add(3, Alignment::kNone, -1.0f);
  const auto second = times.add(5, first, -1.0f), other = times.add(6, first, -1.0f);
  CHECK(times[first].holders == 3);
  times.drop(first);
  CHECK(times[second].previous == first);
  times.drop(second);
  CHECK(times[other].previous == first);
  CHECK(times[first].frame == 3);
  times.cut(other);
  CHECK(times[other].previous == Alignment::kNone);
  // Both places are free again.
  const std::size_t bytes = times.bytes();
  times.add(7, other, 0.0f);
  times.add(8, other, 0.0f);
  CHECK(times.bytes() == bytes);
}

TEST_CASE("a time that others see does not move for them") {
  Alignment times;
  const auto first = times.add(3, Alignment::kNone, -2.0f);
  const auto same = times.move(first, 4, -1.0f);
  CHECK(same == first);
  CHECK(times[first].frame == 4);
  times.drop(first);  // of the two that hold it now
  const auto next = times.add(9, first, -1.0f);
  const auto moved = times.move(first, 10, -0.5f);
  CHECK(moved != first);
  CHECK(times[next].previous == first);
  CHECK(times[first].frame == 4);
  CHECK(times[moved].frame == 10);
}
