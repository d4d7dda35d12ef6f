"""Runtimes: one small module per vendor behind one interface, and the Segmenter that applications embed."""
