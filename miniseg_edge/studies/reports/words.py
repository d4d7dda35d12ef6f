"""The notice that every result for people carries."""

RESEARCH_ONLY = "Research only, not for diagnosis"
