"""The process and machine that we run in: what we need from them, and how we leave them unchanged."""
