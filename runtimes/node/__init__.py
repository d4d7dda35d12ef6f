"""`miniseg-node`: receives series by DICOM and returns segmentations by DICOM."""
