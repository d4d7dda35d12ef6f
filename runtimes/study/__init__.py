"""Studies: CT in, masks and findings out."""
