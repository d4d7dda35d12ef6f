"""A measuring session: configurations in turns, each turn in a process of its own."""
