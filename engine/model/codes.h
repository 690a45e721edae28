// The check of packed codes at loading; model.h reads them.
#pragma once

#include "model/model.h"

namespace speechq::engine {

// For a matrix of 2 to 8 bits with at least one code. Throws ModelError for the code -2^(bits-1), which does
// not occur, and for fill bits that are set.
void check_codes(const Matrix& matrix);

}  // namespace speechq::engine
