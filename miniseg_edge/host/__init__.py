"""What we ask of the process and the machine that we run in, and what we leave as it was."""
