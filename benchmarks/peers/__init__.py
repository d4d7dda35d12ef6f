"""Peers: alternatives to us, made with each vendor's own tools and defaults."""
