// One function per file of this folder.
#pragma once

#include <nanobind/nanobind.h>

namespace speechq::bindings {

void bind_fake_quantize(nanobind::module_& m);
void bind_sru(nanobind::module_& m);
void bind_lstm(nanobind::module_& m);
void bind_measure(nanobind::module_& m);
void bind_qrnn(nanobind::module_& m);
void bind_norm(nanobind::module_& m);
void bind_network(nanobind::module_& m);
void bind_ngram(nanobind::module_& m);
void bind_decoder(nanobind::module_& m);
void bind_endpoint(nanobind::module_& m);

}  // namespace speechq::bindings
