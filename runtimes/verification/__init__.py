"""Whether a bundle still reproduces the reference's masks here, and its provenance."""
