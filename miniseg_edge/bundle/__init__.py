"""Bundles: what lies in one, what its manifest says, how it is read, verified and signed."""
