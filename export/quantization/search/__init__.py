"""Which convolutions to quantize: the search, its journal, its picture and the resulting plan."""
