"""Latency, throughput, memory and accuracy, measured side by side. Nothing is here yet."""
