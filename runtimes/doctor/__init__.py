"""`miniseg-doctor`: what this machine can do, without a bundle."""
