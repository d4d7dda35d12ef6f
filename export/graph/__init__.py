"""The deployment graph: the exact ways to write it, and the model files that it becomes."""
