// Writes am.sqm and frames.f32 into a folder.
#include "sample.h"

int main(int, char** argv) {
  const std::string folder = argv[1];
  const std::vector<float> frames = speechq::testing::sample_frames(900);
  speechq::testing::write_model_file(folder + "/am.sqm");
  speechq::testing::write_file(folder + "/frames.f32", frames.data(), frames.size() * sizeof(float));
}
