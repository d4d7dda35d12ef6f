"""TensorRT and TensorRT for RTX: engines on NVIDIA GPUs, through `cuda-python`."""
