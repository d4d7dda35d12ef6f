"""Sends results to archives: by C-STORE or STOW-RS, with retries, and confirmed if the archive offers that."""
