"""Measuring in processes of their own, in turns: what export and the benchmarks have in common.

Neighbours, memory layout and the processor's clock change from minute to minute, and from process to process. Whatever
is compared is therefore measured in turns, and never in the process that compares.
"""
