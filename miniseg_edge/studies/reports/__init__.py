"""Results for radiologists' viewers: a structured report, secondary captures, a page."""
