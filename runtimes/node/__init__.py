"""`miniseg-node`: series come by DICOM, segmentations go back by DICOM."""
