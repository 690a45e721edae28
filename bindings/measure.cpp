#include "measure/measure.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "bind.h"

namespace speechq::bindings {
namespace {

namespace nb = nanobind;

double read_bandwidth(std::int64_t bytes, double seconds) {
  nb::gil_scoped_release release;
  return measure::read_bandwidth(bytes, seconds) / 1e9;
}

double peak_gmacs(const std::string& kind) {
  if (kind != "float" && kind != "int8")
    throw std::invalid_argument("kind must be 'float' or 'int8', not '" + kind + "'");
  nb::gil_scoped_release release;
  return measure::peak_macs(kind == "float" ? measure::Arithmetic::float32 : measure::Arithmetic::int8) / 1e9;
}

}  // namespace

void bind_measure(nb::module_& m) {
  m.def("read_bandwidth", &read_bandwidth, nb::arg("bytes"), nb::arg("seconds"));
  m.def("peak_gmacs", &peak_gmacs, nb::arg("kind"));
  m.def("lacking_instruction_sets", &measure::lacking);
}

}  // namespace speechq::bindings
