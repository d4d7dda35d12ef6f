"""Results that people read where they read studies: a structured report, secondary captures, a page."""
