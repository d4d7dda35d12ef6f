"""`miniseg-bench networks`: MiniSeg and other networks, all exported, judged and measured in the same way."""
