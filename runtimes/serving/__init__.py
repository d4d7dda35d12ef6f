"""One bundle behind the Open Inference Protocol v2, for hosts in another process: `miniseg-serve`."""
