// The parts of a model's JSON header that stand for themselves: grids, features, units.
#pragma once

#include <cstdint>
#include <string>

#include "model/json.h"
#include "model/model.h"

namespace speechq::engine {

// A member of `object`; each throws ModelError naming `key` if it is missing or of another type.
json::Value member_of(const json::Value& object, const char* key, json::Type type);
std::int64_t integer_of(const json::Value& object, const char* key);
std::string string_of(const json::Value& object, const char* key);

// An integer of `object` from `low` to `high`; throws ModelError, calling it `what`, for anything else.
std::int64_t bounded(const json::Value& object, const char* key, std::int64_t low, std::int64_t high,
                     const std::string& what);

// {"bits", "step"}. Throws ModelError naming the signal.
Grid read_grid(const std::string& name, const json::Value& value);

// Takes an object with the keys of `data.features` in a recipe, each with its default. Sets features, stack
// and stride.
void read_features(const json::Value& features, Model& model);

// Takes the header and its member `input`, an object that stands in the place of the features.
void read_symbol_input(const json::Value& header, const json::Value& input, Model& model);

// Takes an object. Sets the kind of the hierarchy.
void read_hierarchy(const json::Value& hierarchy, Model& model);

// Sets what the symbols of a hierarchy's clock, one per output of the network, mean to it.
void read_clock(const json::Value& hierarchy, Model& model);

// Takes an object. Sets units_kind and symbols, of which there must be one per output of the network:
// compared before the symbols are read, so that a damaged list takes no memory.
void read_units(const json::Value& units, std::int64_t outputs, Model& model);

}  // namespace speechq::engine
