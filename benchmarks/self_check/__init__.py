"""`miniseg-bench self-check`: does the instrument show faults of known size?"""
