// The layers of a model file: matrices, vectors, signals and options.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "model/json.h"
#include "model/model.h"
#include "model/safetensors.h"

namespace speechq::engine {

// The tensors of a file, each handed out once. The tensors must outlive the table.
class TensorTable {
 public:
  explicit TensorTable(const std::deque<Tensor>& ordered) : tensors_(ordered), taken_(ordered.size()) {}

  // Throws ModelError if there is none of that name, or none any more.
  const Tensor& take(const std::string& name);

  // Throws ModelError, naming the first tensor that nobody took.
  void check_empty() const;

 private:
  const std::deque<Tensor>& tensors_;  // by name
  std::vector<bool> taken_;
};

std::vector<float> floats_of(const Tensor& tensor);

constexpr int kGroupsVersion = 3;  // of files with a matrix in groups

// Reads the header's list `layers` of a file of that version into the model, whose features are known; no
// tensor may be left over.
void read_layers(const json::Value& list, int version, TensorTable& tensors, Model& model);

}  // namespace speechq::engine
