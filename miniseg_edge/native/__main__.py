"""`python -m miniseg_edge.native --cflags --libs`: what a C compiler needs to find libminiseg's header and library."""

from miniseg_edge.native.command import main

main()
