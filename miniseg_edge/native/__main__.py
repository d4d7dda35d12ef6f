"""`python -m miniseg_edge.native --cflags --libs`: compiler flags for libminiseg's header and library."""

from miniseg_edge.native.command import main

main()
