"""Coverage-guided fuzzing of the parsers that are ours, with atheris: `python -m tests.fuzz --help`."""
