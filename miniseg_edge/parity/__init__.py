"""Whether two masks show the same lesion, and how that is decided."""
