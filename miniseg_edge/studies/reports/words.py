"""What every result that people read says of itself."""

RESEARCH_ONLY = "Research only, not for diagnosis"
