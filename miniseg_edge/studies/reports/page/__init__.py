"""A study with its mask as one HTML page that opens from a file, without a network."""
