"""A study with its mask as one page that opens from a file, without a network."""
