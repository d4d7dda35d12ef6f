"""NIfTI: headers checked, voxels turned to lie as a CT series does, masks written."""
