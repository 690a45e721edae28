// Rules that end segments.
#include "decoders/endpoint.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "arrays.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

namespace nb = nanobind;
using decoders::Endpointer;

// (trailing_silence, length, speech, between_words)
using Rule = std::tuple<double, double, bool, bool>;

class PythonEndpointer {
 public:
  PythonEndpointer(const std::vector<Rule>& rules, int units, int separator, double frame_seconds)
      : units_(units), endpointer_(of(rules), units, separator, frame_seconds) {}

  std::vector<std::int64_t> ends(const Input& log_probs) {
    const std::int64_t frames = extent(log_probs, 0, 2, "log-probabilities");
    return endpointer_.ends(input<float>(log_probs, {frames, units_}, "log-probabilities"), frames);
  }

 private:
  static std::vector<decoders::EndpointRule> of(const std::vector<Rule>& rules) {
    std::vector<decoders::EndpointRule> found;
    for (const auto& [silence, length, speech, between] : rules)
      found.push_back({silence, length, speech, between});
    return found;
  }

  int units_;
  Endpointer endpointer_;
};

}  // namespace

void bind_endpoint(nb::module_& m) {
  m.def("endpoint_rules", [] {
    std::vector<Rule> rules;
    for (const decoders::EndpointRule& rule : decoders::kEndpointRules)
      rules.emplace_back(rule.trailing_silence, rule.length, rule.speech, rule.between_words);
    return rules;
  });
  nb::class_<PythonEndpointer>(m, "Endpointer")
      .def(nb::init<const std::vector<Rule>&, int, int, double>(), nb::arg("rules"), nb::arg("units"),
           nb::arg("separator"), nb::arg("frame_seconds"))
      .def("ends", &PythonEndpointer::ends, nb::arg("log_probs"));
}

}  // namespace speechq::bindings
