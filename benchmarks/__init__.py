"""Latency, throughput, memory and accuracy, measured side by side: the instrument behind `miniseg-bench`."""
