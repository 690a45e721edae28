#include "capi/status.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "model/model.h"

namespace speechq::capi {
namespace {

// Of a fixed size, so that keeping a message cannot fail.
thread_local char last_error[2048] = "";

speechq_status keep(speechq_status status, const char* message) noexcept {
  std::size_t length = std::min(std::strlen(message), sizeof last_error - 1);
  if (message[length] != '\0')
    while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xc0) == 0x80) --length;
  std::memcpy(last_error, message, length);
  last_error[length] = '\0';
  return status;
}

}  // namespace

speechq_status report() noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return keep(failure.status, failure.what());
  } catch (const engine::ModelError& error) {
    return keep(SPEECHQ_MODEL, error.what());
  } catch (const std::invalid_argument& error) {
    return keep(SPEECHQ_INVALID, error.what());
  } catch (const std::bad_alloc&) {
    return keep(SPEECHQ_NO_MEMORY, "there is not enough memory");
  } catch (const std::exception& error) {
    return keep(SPEECHQ_INTERNAL, error.what());
  } catch (...) {
    return keep(SPEECHQ_INTERNAL, "an error without a message");
  }
}

}  // namespace speechq::capi

const char* speechq_last_error(void) { return speechq::capi::last_error; }

const char* speechq_status_name(speechq_status status) {
  switch (status) {
    case SPEECHQ_OK:
      return "SPEECHQ_OK";
    case SPEECHQ_INVALID:
      return "SPEECHQ_INVALID";
    case SPEECHQ_MODEL:
      return "SPEECHQ_MODEL";
    case SPEECHQ_UNAVAILABLE:
      return "SPEECHQ_UNAVAILABLE";
    case SPEECHQ_STATE:
      return "SPEECHQ_STATE";
    case SPEECHQ_TOO_SMALL:
      return "SPEECHQ_TOO_SMALL";
    case SPEECHQ_NO_MEMORY:
      return "SPEECHQ_NO_MEMORY";
    case SPEECHQ_INTERNAL:
      return "SPEECHQ_INTERNAL";
  }
  return "unknown status";
}

const char* speechq_version(void) { return SPEECHQ_VERSION; }
