// The set of kernels of one instruction set. This file is compiled once for each, with MINISEG_KERNELS as its name.
// Nothing here has external linkage but the set: a function that two sets shared might be compiled for the wrong one.
#include "../kernels.h"

#include "dense.h"
#include "depthwise.h"
#include "pointwise.h"
#include "prepare.h"
#include "pyramid.h"
#include "upsample.h"

namespace miniseg {

extern const Kernels MINISEG_KERNELS;

const Kernels MINISEG_KERNELS = {
    kBlockOutputs,
    kDepthwiseRows,
    pointwise,
    dense<3, 1>,
    dense<3, 2>,
    dense<5, 2>,
    depthwise<1, AllTaps>,
    depthwise<2, AllTaps>,
    depthwise<1, FusionTaps>,
    pyramid<1>,
    pyramid<2>,
    upsample,
    prepare,
    mask,
};

}  // namespace miniseg
