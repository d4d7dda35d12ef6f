"""Bundles: their files and manifest, and how they are read, verified and signed."""
