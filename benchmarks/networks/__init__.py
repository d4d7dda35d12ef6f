"""`miniseg-bench networks`: MiniSeg beside other networks, each exported, judged and measured alike."""
