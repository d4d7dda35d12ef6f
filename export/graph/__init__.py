"""The deployment graph: exact ways to write it, and the model files made from it."""
