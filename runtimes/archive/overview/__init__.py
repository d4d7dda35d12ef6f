"""What came of an archive, from its rows: the state of a run, the time's share of each part, a page."""
