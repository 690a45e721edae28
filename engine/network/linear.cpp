// The output layer: float in both modes, from an integer sum.
#include <cstring>

#include "base/pool.h"
#include "network/affine.h"
#include "network/layers.h"

namespace speechq::engine {
namespace {

class Linear : public LayerRunner {
 public:
  Linear(const Layer& layer, const Grid& input, WeightStore& store)
      : affine_(layer.matrices.at("in"), 1, input, &layer.vectors.at("bias"), Mode::hybrid, store) {}

  void start(LayerState&) const override {}

  Signal run(const Signal& x, Block& block) const override {
    const Signal out = block.signal(affine_.units(), Grid());
    const int columns = block.columns();
    const Operand operand = affine_.operand(x, 0, columns, *block.arena);
    for_tiles(affine_.tiles(), block.threads, [&](std::int64_t tile) {
      alignas(kLine) float y[kColumns * kTile];
      for (int first = 0; first < columns; first += kColumns) {
        const int count = columns - first < kColumns ? columns - first : kColumns;
        affine_.run(tile, operand, first, count, y, block.profile);
        for (int n = 0; n < count; ++n)
          std::memcpy(out.row(first + n, tile * kTile), y + n * kTile,
                      static_cast<std::size_t>(affine_.tile_units(tile)) * sizeof(float));
      }
    });
    return out;
  }

 private:
  Affine affine_;
};

}  // namespace

std::unique_ptr<LayerRunner> make_linear(const Layer& layer, const Grid& input, Mode, WeightStore& store) {
  return std::make_unique<Linear>(layer, input, store);
}

}  // namespace speechq::engine
