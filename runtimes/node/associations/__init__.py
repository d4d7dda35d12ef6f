"""DICOM associations: who may connect, within which limits, and the responses."""
