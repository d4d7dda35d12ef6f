"""Admission: computes what a model file would take to run before a vendor's parser sees it.

Our own bounded readers read the models. They only accept a fixed list of operators, and infer the shape of every tensor
for the input that will be used. A model is refused if a shape cannot be inferred or if it needs too much.
"""
