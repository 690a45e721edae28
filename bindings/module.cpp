#include <nanobind/nanobind.h>

#include "bind.h"

NB_MODULE(_native, m) {
  m.doc() = "The C++ side of speechq.";
  speechq::bindings::bind_fake_quantize(m);
  speechq::bindings::bind_sru(m);
  speechq::bindings::bind_lstm(m);
  speechq::bindings::bind_measure(m);
  speechq::bindings::bind_qrnn(m);
  speechq::bindings::bind_norm(m);
  speechq::bindings::bind_network(m);
  speechq::bindings::bind_ngram(m);
  speechq::bindings::bind_decoder(m);
  speechq::bindings::bind_endpoint(m);
}
