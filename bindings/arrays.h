// Arrays as the bindings see them: contiguous, on the CPU, checked for type and shape before use. The caller
// allocates outputs; nothing is copied or converted.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "training/grid.h"

namespace speechq::bindings {

namespace nb = nanobind;

using Input = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Shape = std::initializer_list<std::int64_t>;

template <class Array>
bool has_shape(const Array& array, Shape shape) {
  if (array.ndim() != shape.size()) return false;
  std::size_t axis = 0;
  for (std::int64_t extent : shape)
    if (static_cast<std::int64_t>(array.shape(axis++)) != extent) return false;
  return true;
}

template <class Array>
void check(const Array& array, nb::dlpack::dtype type, Shape shape, const char* name) {
  if (array.dtype() == type && has_shape(array, shape)) return;
  std::string message =
      std::string(name) + " must be " +
      (type.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float) ? "float" : "int") +
      std::to_string(type.bits) + " of shape [";
  for (std::int64_t extent : shape) message += std::to_string(extent) + ", ";
  if (shape.size() > 0) message.resize(message.size() - 2);
  message += "], but has " + std::to_string(array.dtype().bits) + " bits and the shape [";
  for (std::size_t axis = 0; axis < array.ndim(); ++axis)
    message += (axis ? ", " : "") + std::to_string(array.shape(axis));
  throw std::invalid_argument(message + "]");
}

template <class T>
const T* input(const Input& array, Shape shape, const char* name) {
  check(array, nb::dtype<T>(), shape, name);
  return static_cast<const T*>(array.data());
}

template <class T>
const T* input(const std::optional<Input>& array, Shape shape, const char* name) {
  return array ? input<T>(*array, shape, name) : nullptr;
}

template <class T>
T* output(const Output& array, Shape shape, const char* name) {
  check(array, nb::dtype<T>(), shape, name);
  return static_cast<T*>(array.data());
}

template <class Array>
std::int64_t extent(const Array& array, std::size_t axis, std::size_t axes, const char* name) {
  if (array.ndim() != axes)
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(axes) + " axes, not " +
                                std::to_string(array.ndim()));
  return static_cast<std::int64_t>(array.shape(axis));
}

inline const std::int64_t* row_lengths(const Input& array, std::int64_t frames, std::int64_t batch) {
  const std::int64_t* lengths = input<std::int64_t>(array, {batch}, "lengths");
  for (std::int64_t row = 0; row < batch; ++row)
    if (lengths[row] < 0 || lengths[row] > frames)
      throw std::invalid_argument("lengths[" + std::to_string(row) + "] is " + std::to_string(lengths[row]) +
                                  ", but must be from 0 to " + std::to_string(frames));
  return lengths;
}

// (step, qmax, learned)
using GridTuple = std::tuple<double, std::int64_t, bool>;

template <class T>
training::Grid<T> grid(const std::optional<GridTuple>& tuple) {
  if (!tuple) return {};
  const auto [step, qmax, learned] = *tuple;
  return {static_cast<T>(step), static_cast<T>(qmax), learned};
}

// Calls f(T{}) with the array's type of number and the interpreter lock held.
template <class F>
void with_number(const Input& array, const char* name, const F& f) {
  if (array.dtype() == nb::dtype<float>())
    f(float{});
  else if (array.dtype() == nb::dtype<double>())
    f(double{});
  else
    throw std::invalid_argument(std::string(name) + " must be float32 or float64");
}

}  // namespace speechq::bindings
