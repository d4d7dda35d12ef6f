"""`miniseg-bench compare`: two reports of `miniseg-bench run`, old against new."""
