"""CUDA, for every runtime that feeds a GPU: calls, GPUs, buffers, and a lane for each call under way."""
