"""Admission: what a model file would take to run is worked out before a vendor's parser sees it.

Models are read by bounded readers of our own, may hold operators from a fixed list alone, and the shape of every tensor
is inferred for the input that will be used. What cannot be inferred, or takes too much, is refused.
"""
