#include "maps.h"

namespace miniseg {

void Maps::place(Arena& arena, const Network& network, const Sizes& sizes) {
  const int* heights = sizes.heights;
  const int* widths = sizes.widths;
  const int* channels = network.header.widths;
  first_down.place(arena, split_format(channels[1] / kBranches, widths[1]), heights[1]);
  first_skip.place(arena, plain_format(channels[0], widths[1]), heights[1]);
  for (int i = 0; i < kStages - 1; ++i) {
    const int c = channels[i + 1];
    const int height = heights[i + 2];
    const int width = widths[i + 2];
    StageMaps& stage = stages[i];
    stage.sum.place(arena, plain_format(c, width), height);
    stage.longs.place(arena, plain_format(c, width), height);
    for (Rows& entry : stage.entries) entry.place(arena, plain_format(c + c / kBranches, width), height);
    if (i < kStages - 2) {
      const int next = channels[i + 2];
      exits[i].place(arena, split_format(next + next / kBranches, width), height);
    }
    reduced[i].place(arena, plain_format(channels[i], width), height);
  }
}

}  // namespace miniseg
