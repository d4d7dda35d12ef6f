"""The size of a series that a worker takes on: of its files, and of what they become in memory."""

from dataclasses import dataclass

from miniseg_edge.errors import TooLargeError, UsageError
from miniseg_edge.runtimes.archive.series import Series
from miniseg_edge.runtimes.study.memory import check_memory
from miniseg_edge.studies.nifti.file import header_of_nifti
from miniseg_edge.studies.source_files import SourceFile
from miniseg_edge.studies.study import Study

_MIB = 2**20
_MOST_MB = 2**40 // _MIB
_OR_LEAVE_OUT = "or leave such series out with --where."


@dataclass(frozen=True)
class Bounds:
    """What one series may take of a worker.

    Attributes:
        size_mb: MiB of its files, which a worker copies to its scratch if they are far.
        memory_mb: MiB that its voxels need while it is segmented and written.
    """

    size_mb: int = 8192
    memory_mb: int = 8192

    def __post_init__(self) -> None:
        for name, value in (("--max-size", self.size_mb), ("--max-memory", self.memory_mb)):
            if not (type(value) is int and 1 <= value <= _MOST_MB):
                raise UsageError(f"{name} is invalid", expected=f"1 to {_MOST_MB:,} MiB", got=str(value))

    def check_found(self, series: Series) -> None:
        """Judges by the index, before anything is fetched. Raises: TooLargeError, HostMemoryError."""
        if series.bytes > self.size_mb * _MIB:
            raise TooLargeError(
                "the series is too large",
                expected=f"at most {self.size_mb:,} MiB in its files",
                got=f"{-(-series.bytes // _MIB):,} MiB in {len(series.files):,}",
                remedy=f"Raise --max-size, {_OR_LEAVE_OUT}",
            )
        if series.voxels is not None:
            self._check_memory(series.voxels)

    def check_nifti(self, file: SourceFile) -> None:
        """Judges by a NIfTI header, which may announce any size. Raises: HostMemoryError, UnsupportedFormatError."""
        header = header_of_nifti(file)
        self._check_memory(header.voxel_bytes // header.dtype.itemsize, header.voxel_bytes)

    def check_opened(self, study: Study) -> None:
        """Judges by all headers: the index has the size of most slices. Raises: HostMemoryError."""
        height, width = study.size
        self._check_memory(len(study) * height * width)

    def _check_memory(self, voxels: int, stored_bytes: int = 0) -> None:
        check_memory(voxels, self.memory_mb, f"Raise --max-memory, {_OR_LEAVE_OUT}", stored_bytes=stored_bytes)
