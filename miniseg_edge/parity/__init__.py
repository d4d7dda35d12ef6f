"""Whether two masks are of the same lesion, and how that is told."""
