"""The network, its checkpoints and its training: the one door to torch besides export."""
