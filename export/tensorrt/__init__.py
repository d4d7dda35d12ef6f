"""Engines for TensorRT and TensorRT for RTX, built from the deployment graph's ONNX."""
