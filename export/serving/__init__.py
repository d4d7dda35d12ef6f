"""Layouts of model servers, written from a finished bundle: Triton Inference Server, OpenVINO Model Server."""
