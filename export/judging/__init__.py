"""Whether an artefact may be released: the slices it is judged on, the gate, and what parity cannot tell."""
