"""INT8: which slices calibrate, which convolutions are quantized, how weights are rounded, and proof of what runs."""
