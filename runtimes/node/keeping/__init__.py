"""The spool on the disk: images and results on their way."""
