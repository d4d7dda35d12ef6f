"""Whether an artefact may be released: the validation slices, the gate, and the limits of parity."""
