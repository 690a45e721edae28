// What the machine can do at best: the bounds that the engine's speed is held against.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace speechq::measure {

// Bytes per second of reading a buffer of `bytes` (rounded up to whole cache lines) from begin to end, over
// and over, on the calling thread with the widest loads of the instruction set in use: the fastest of the
// passes made in about `seconds`. Throws std::invalid_argument for fewer than 1 byte or a time that is not
// positive, std::bad_alloc where there is no such buffer.
double read_bandwidth(std::int64_t bytes, double seconds);

// What products are made of.
enum class Arithmetic {
  float32,  // a multiplication, then an addition: the engine never fuses them
  int8,     // the widest exact dot product of 8-bit codes that the instruction set has
};

// Multiply-adds per second of the calling thread with all operands in registers: the fastest of many short
// runs.
double peak_macs(Arithmetic arithmetic);

// The instruction sets and extensions for this architecture that could speed the engine up and that this
// processor lacks.
std::vector<std::string> lacking();

}  // namespace speechq::measure
