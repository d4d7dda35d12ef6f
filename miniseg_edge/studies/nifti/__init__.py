"""NIfTI: checks headers, turns voxels to lie like a CT series, writes masks."""
