"""Whether a bundle still gives the reference's masks here, and where it comes from."""
