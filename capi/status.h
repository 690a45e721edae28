// How C++ errors become a status and a message.
#pragma once

#include <stdexcept>
#include <string>

#include "capi/speechq.h"

namespace speechq::capi {

struct Failure : std::runtime_error {
  Failure(speechq_status status, const std::string& message) : std::runtime_error(message), status(status) {}
  speechq_status status;
};

inline Failure invalid(const std::string& message) { return {SPEECHQ_INVALID, message}; }

// Keeps the message of the exception in flight for this thread; its status.
speechq_status report() noexcept;

// Runs what a function of the interface does.
template <class Function>
speechq_status guarded(const Function& function) noexcept {
  try {
    function();
    return SPEECHQ_OK;
  } catch (...) {
    return report();
  }
}

template <class Pointer>
Pointer* given(Pointer* pointer, const char* name) {
  if (pointer == nullptr) throw invalid(std::string(name) + " is NULL");
  return pointer;
}

}  // namespace speechq::capi
