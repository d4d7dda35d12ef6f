"""Latency, throughput, memory and accuracy, measured side by side: the code behind `miniseg-bench`."""
