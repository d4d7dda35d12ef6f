"""CT in DICOM: files told apart, headers and pixels read without trusting them, slices put into volumes."""
