"""`python -m tests.studies.reports.page.of_300_slices`: how large a page of 300 noisy slices is, and its seconds.

Slices of 512 x 512 with a noise of 25 HU, each with the phantom's lesion. Needs no bundle.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np

from miniseg_edge.phantoms import phantom
from miniseg_edge.studies import open_study
from miniseg_edge.studies.findings import Ran, findings_from_mask
from miniseg_edge.studies.reports.page.page import html_from_study

SLICES, PHANTOMS, NOISE_HU = 300, 10, 25.0
SPACING_MM = (0.7, 0.7, 1.0)


def main() -> None:
    """Makes the study in a temporary folder, and the page of it twice."""
    drawn = [phantom(seed) for seed in range(PHANTOMS)]
    noise = np.random.default_rng(0)
    shape = (SLICES, *drawn[0].image.shape)
    voxels = np.empty(shape, np.int16)
    for index in range(SLICES):
        voxels[index] = drawn[index % PHANTOMS].image * 6.0 - 1000.0 + noise.normal(0.0, NOISE_HU, shape[1:])
    mask = np.stack([drawn[index % PHANTOMS].mask for index in range(SLICES)])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ct.nii"
        affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
        nibabel.Nifti1Image(voxels.transpose(2, 1, 0), affine).to_filename(path)
        study = open_study(path)
        findings = findings_from_mask(mask, study.geometry, Ran("native", "cpu", "fp32", "0" * 64, "0" * 64, ()))
        for _ in range(2):
            start = time.perf_counter()
            page = html_from_study(study, mask, findings)
            took = time.perf_counter() - start
            print(f"{SLICES} slices of {shape[1]} x {shape[2]}: {len(page) / 1e6:.1f} MB, {took:.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
