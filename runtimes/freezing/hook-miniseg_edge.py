"""PyInstaller's hook: libminiseg, each runtime whose package is installed in the build environment, and their versions.

`--exclude-module openvino` excludes a runtime. The torch reference is only for parity and is never included.
"""

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from typing import Any

from PyInstaller import isolated
from PyInstaller.utils.hooks import collect_dynamic_libs, copy_metadata


def runtimes() -> list[tuple[str, tuple[str, ...], str | None]]:
    """Called in a separate process: module, packages, and the distribution that adds it if it is not ours."""
    from importlib.metadata import entry_points

    from miniseg_edge.runtimes.backends.registry import ENTRY_POINT_GROUP, registry

    added = {point.load().name: point.dist.name for point in entry_points(group=ENTRY_POINT_GROUP) if point.dist}
    return [
        (row.implementation.partition(":")[0], (row.package or "", *row.other_names), added.get(row.name))
        for row in registry()
        if not row.reference
    ]


def hook(hook_api: Any) -> None:
    """Called by PyInstaller with the current analysis."""
    excluded = set(hook_api.analysis.excludes)
    inside, distributions = {"miniseg_edge", "numpy", "cv2"}, {"miniseg-edge"}
    for module, packages, distribution in isolated.call(runtimes):
        present = [name for name in packages if name and name not in excluded and find_spec(name) is not None]
        if present or packages == ("",):
            hook_api.add_imports(module, *present)
            inside.update(present)
            distributions.update([distribution] if distribution else [])
    owners = packages_distributions()
    distributions.update(owner for package in inside - excluded for owner in owners.get(package, ()))
    for name in sorted(distributions):
        hook_api.add_datas(copy_metadata(name))


binaries = collect_dynamic_libs("miniseg_edge")
