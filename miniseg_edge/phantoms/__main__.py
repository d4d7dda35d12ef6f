"""`python -m miniseg_edge.phantoms`."""

from miniseg_edge.phantoms.command import main

main()
