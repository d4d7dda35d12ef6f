"""Terminal output, logs and command-line errors."""
