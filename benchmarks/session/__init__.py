"""A measuring session: configurations in turns, each turn in a separate process."""
