// The grid of a fixed-point signal: value = step * code, code = sgn(x) * min(floor(|x| / step + 0.5), qmax).
#pragma once

namespace speechq::training {

template <class T>
struct Grid {
  T step = 0;            // zero or less: the signal is not quantized
  T qmax = 0;            // largest code, a whole number
  bool learned = false;  // the step gets a gradient, and saturated values pass none (LSQ)

  bool on() const { return step > 0; }
};

}  // namespace speechq::training
