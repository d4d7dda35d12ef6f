"""The spool on disk: images and results in progress."""
