"""Attacks, each of them carried out: what is hostile is refused with a typed error, and nothing of it happens."""
