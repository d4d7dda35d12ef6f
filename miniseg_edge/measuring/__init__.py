"""Measuring in separate processes, in alternating rounds; shared by export and benchmarks.

Neighbours, memory layout and clock speed change from minute to minute and from process to process. Therefore everything
that is compared is measured in alternation, and never in the process that compares.
"""
