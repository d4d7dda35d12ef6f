"""What runs the work of an archive: this process, processes, or Ray."""
