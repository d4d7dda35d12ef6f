"""What is measured: configurations, and subjects that segment a slice in three timed stages."""
