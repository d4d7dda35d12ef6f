"""Chooses the precision and the form of the graph by measuring on this machine."""
