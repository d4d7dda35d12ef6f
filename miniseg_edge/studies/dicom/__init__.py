"""CT in DICOM: sorts files, reads untrusted headers and pixels, and assembles slices into volumes."""
