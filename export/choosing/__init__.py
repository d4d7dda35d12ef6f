"""What is chosen by measuring on this machine: the precision and the form of the graph."""
