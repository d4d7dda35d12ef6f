"""Peers: what people would deploy without us, made with each vendor's own tools and defaults."""
