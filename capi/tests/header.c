/* speechq.h is C99 and needs no other header before it. */
#include "speechq.h"

const char* speechq_header_in_c(void);

const char* speechq_header_in_c(void) { return speechq_status_name(SPEECHQ_INTERNAL); }
