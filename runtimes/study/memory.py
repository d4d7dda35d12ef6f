"""The memory that a study needs, known before it is read."""

from miniseg_edge.errors import HostMemoryError

BYTES_FOR_A_VOXEL = 8
"""The mask, its copies while results are written, and the lesion count."""

_MIB = 2**20


def check_memory(voxels: int, most_mb: int, remedy: str, *, stored_bytes: int = 0) -> None:
    """Refuses a study that would need too much.

    Args:
        voxels: of all its slices.
        most_mb: MiB that it may need.
        remedy: for the error.
        stored_bytes: in memory besides, such as those of a NIfTI file.

    Raises:
        HostMemoryError: it needs more.
    """
    wanted = voxels * BYTES_FOR_A_VOXEL + stored_bytes
    if wanted > most_mb * _MIB:
        raise HostMemoryError(
            "the series needs too much memory",
            expected=f"at most {most_mb:,} MiB",
            got=f"{-(-wanted // _MIB):,} MiB for {voxels:,} voxels",
            remedy=remedy,
        )
