"""`miniseg-bench serve`: load on a `miniseg-serve`, every mask checked."""
