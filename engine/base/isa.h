// Which instruction set the kernels use. Chosen once from the processor; the environment variable
// SPEECHQ_ISA (generic, avx2, avx512, neon) or set_isa() forces another one, so that tests run every path.
#pragma once

#include <string>
#include <vector>

namespace speechq {

enum class Isa { generic, avx2, avx512, neon };

// The instruction sets that this processor can run, the slowest first.
std::vector<Isa> available_isas();

// The one in use. Throws std::invalid_argument if SPEECHQ_ISA names one that cannot run here.
Isa isa();

// Throws std::invalid_argument if `wanted` cannot run here.
void set_isa(Isa wanted);

std::string isa_name(Isa isa);

}  // namespace speechq
