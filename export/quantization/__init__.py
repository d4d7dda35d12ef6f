"""INT8: which slices calibrate, which convolutions are quantized, and how weights are rounded."""
