"""CUDA for every GPU runtime: calls, GPUs, buffers, and a lane per running call."""
