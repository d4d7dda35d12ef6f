"""The Open Inference Protocol v2: requests, tensors, answers."""
