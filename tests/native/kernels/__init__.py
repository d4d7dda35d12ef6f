"""Tests of single kernels: each against float64, for each instruction set that this machine has."""
