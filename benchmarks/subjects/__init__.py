"""What is measured: configurations, and what segments a slice in three timed stages."""
