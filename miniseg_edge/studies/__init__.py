"""Studies: scanner output as volumes in HU with their geometry, and findings in the formats that viewers read.

`open_study` reads DICOM (files, folders, enhanced multi-frame) and NIfTI; `volume_from_array` accepts HU that are
already in memory. pydicom, highdicom and nibabel are imported when they are needed: `pip install
"miniseg-edge[dicom]"`.
"""

from miniseg_edge.studies.dicom.choice import SeriesSummary
from miniseg_edge.studies.reading import list_series, open_study
from miniseg_edge.studies.study import Study
from miniseg_edge.studies.volume import Geometry, Volume, volume_from_array

__all__ = ["Geometry", "SeriesSummary", "Study", "Volume", "list_series", "open_study", "volume_from_array"]
