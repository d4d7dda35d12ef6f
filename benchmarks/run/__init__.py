"""`miniseg-bench run`: every artefact of a bundle and the peers, measured in turns."""
