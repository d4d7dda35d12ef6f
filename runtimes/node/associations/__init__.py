"""DICOM associations: who comes in, within which bounds, and what is answered."""
