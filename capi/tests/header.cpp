// speechq.h is C++17 and needs no other header before it.
#include "speechq.h"

const char* speechq_header_in_cxx();

const char* speechq_header_in_cxx() { return speechq_status_name(SPEECHQ_INTERNAL); }
