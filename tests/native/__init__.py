"""Tests of libminiseg, its plans, its build and its binding."""
