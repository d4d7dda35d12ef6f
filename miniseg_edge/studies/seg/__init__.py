"""A mask as a DICOM Segmentation object that refers to the images it was made from."""
