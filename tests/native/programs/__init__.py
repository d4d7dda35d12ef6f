"""Tests of the library in programs of their own: examples, guests, other compilers and processors, sanitizers."""
