"""Serves one bundle by the Open Inference Protocol v2, for hosts in another process: `miniseg-serve`."""
