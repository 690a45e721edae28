#include "network/network.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "base/isa.h"
#include "bind.h"

namespace speechq::bindings {
namespace {

using Features = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Symbols = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

engine::Mode mode_of(const std::string& name) {
  if (name == "hybrid") return engine::Mode::hybrid;
  if (name == "integer") return engine::Mode::integer;
  throw std::invalid_argument("mode " + name + ": expected hybrid or integer");
}

nb::object scores_array(std::vector<float>&& scores, std::int64_t width) {
  auto* owned = new std::vector<float>(std::move(scores));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  const auto rows = owned->size() / static_cast<std::size_t>(width);
  return nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<2>>(owned->data(),
                                                             {rows, static_cast<std::size_t>(width)}, owner));
}

void point(const engine::Network& network, const Features& features, engine::StreamFrames& stream) {
  if (network.takes_symbols()) throw std::invalid_argument("a language model takes symbols, not features");
  if (static_cast<std::int64_t>(features.shape(1)) != network.inputs())
    throw std::invalid_argument("features must have " + std::to_string(network.inputs()) +
                                " values per frame");
  stream.features = features.data();
}

void point(const engine::Network& network, const Symbols& symbols, engine::StreamFrames& stream) {
  if (!network.takes_symbols()) throw std::invalid_argument("an acoustic model takes features, not symbols");
  for (std::size_t t = 0; t < symbols.shape(0); ++t)
    if (symbols.data()[t] < 0 || symbols.data()[t] >= network.inputs())
      throw std::invalid_argument("a symbol is " + std::to_string(symbols.data()[t]) + ": expected 0 to " +
                                  std::to_string(network.inputs() - 1));
  stream.symbols = symbols.data();
}

template <class Input>
nb::list run(const engine::Network& network, const std::vector<engine::StreamState*>& states,
             const std::vector<Input>& inputs, int block, int threads, bool finish) {
  if (states.size() != inputs.size())
    throw std::invalid_argument("there must be as many arrays of input as states");
  if (block < 1 || block > engine::kMostFrames)
    throw std::invalid_argument("block must be from 1 to " + std::to_string(engine::kMostFrames));
  std::vector<engine::StreamFrames> streams(states.size());
  for (std::size_t s = 0; s < states.size(); ++s) {
    point(network, inputs[s], streams[s]);
    streams[s].state = states[s];
    streams[s].frames = static_cast<std::int64_t>(inputs[s].shape(0));
  }
  {
    nb::gil_scoped_release release;
    network.run(streams, block, threads, finish);
  }
  nb::list result;
  for (auto& stream : streams) result.append(scores_array(std::move(stream.scores), network.outputs()));
  return result;
}

double products_seconds(const engine::Network& network, engine::StreamState& state, const Features& features,
                        int block) {
  std::vector<engine::StreamFrames> streams(1);
  point(network, features, streams[0]);
  streams[0].state = &state;
  streams[0].frames = static_cast<std::int64_t>(features.shape(0));
  engine::Profile profile;
  nb::gil_scoped_release release;
  network.run(streams, block, 1, false, &profile);
  return profile.products;
}

}  // namespace

void bind_network(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const engine::ModelError& error) {
      PyErr_SetString(nb::module_::import_("speechq.errors").attr("ModelError").ptr(), error.what());
    }
  });
  nb::class_<engine::StreamState>(m, "StreamState", "What a stream keeps between blocks.")
      .def(
          "copy", [](const engine::StreamState& state) { return state; },
          "A state of its own that goes on from the same place.");
  nb::class_<engine::Network>(m, "Network", "A packed model, ready to run.")
      .def(
          "__init__",
          [](engine::Network* self, nb::bytes data, const std::string& name, const std::string& mode) {
            const auto* begin = static_cast<const std::uint8_t*>(data.data());
            std::vector<std::uint8_t> bytes(begin, begin + data.size());
            nb::gil_scoped_release release;
            new (self) engine::Network(engine::parse_model(std::move(bytes), name), mode_of(mode));
          },
          nb::arg("data"), nb::arg("name"), nb::arg("mode"))
      .def_static(
          "load",
          [](const std::string& path, const std::string& mode) {
            nb::gil_scoped_release release;
            return std::make_unique<engine::Network>(engine::read_model(path), mode_of(mode));
          },
          nb::arg("path"), nb::arg("mode"))
      .def("start", &engine::Network::start)
      .def("run", &run<Features>, nb::arg("states"), nb::arg("features"), nb::arg("block"),
           nb::arg("threads"), nb::arg("finish"))
      .def("run_symbols", &run<Symbols>, nb::arg("states"), nb::arg("symbols"), nb::arg("block"),
           nb::arg("threads"), nb::arg("finish"))
      .def("products_seconds", &products_seconds, nb::arg("state"), nb::arg("features"), nb::arg("block"))
      .def_prop_ro("takes_symbols", &engine::Network::takes_symbols)
      .def_prop_ro("inputs", &engine::Network::inputs)
      .def_prop_ro("outputs", &engine::Network::outputs)
      .def_prop_ro("weight_bytes", &engine::Network::weight_bytes)
      .def_prop_ro("memory_bytes", &engine::Network::memory_bytes);
  m.def("isa", [] { return isa_name(isa()); }, "The instruction set in use.");
  m.def(
      "available_isas",
      [] {
        std::vector<std::string> names;
        for (Isa each : available_isas()) names.push_back(isa_name(each));
        return names;
      },
      "The instruction sets that this processor can run, the slowest first.");
  m.def(
      "set_isa",
      [](const std::string& name) {
        for (Isa each : available_isas())
          if (isa_name(each) == name) return set_isa(each);
        throw std::invalid_argument("the instruction set " + name + " is not available on this processor");
      },
      nb::arg("name"), "Use another instruction set from now on; for tests and measurements.");
}

}  // namespace speechq::bindings
