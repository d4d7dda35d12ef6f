// The maps that all threads share.
#pragma once

#include "arena.h"
#include "network.h"
#include "rows.h"
#include "sizes.h"

namespace miniseg {

// Of a stage of pyramids.
struct StageMaps {
  Rows sum;         // out + long; at the end out alone
  Rows longs;       // the long path; at the end what the decoder's step starts from (the stage's `skip`)
  Rows entries[2];  // what blocks read: long channels, then narrow ones. Blocks read one and write the other
};

struct Maps {
  // Of the first stage remain: what the next stage's pyramid reads, and what the decoder's last step starts from.
  Rows first_down;
  Rows first_skip;
  StageMaps stages[kStages - 1];
  Rows exits[kStages - 2];    // of stages 2 and 3: what the next stage's first block reads, split
  Rows reduced[kStages - 1];  // what the decoder's steps of stages 1 to 3 upsample

  void place(Arena& arena, const Network& network, const Sizes& sizes);

  // Where the decoder's step of a stage (0: the first) starts from.
  const Rows& skip(int stage) const { return stage == 0 ? first_skip : stages[stage - 1].longs; }
};

}  // namespace miniseg
