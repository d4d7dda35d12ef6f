"""Whether this machine runs what is to be built: an artefact is released for having drawn the lesion here."""

from dataclasses import replace

from miniseg_edge import terminal
from miniseg_edge.errors import IncompatibleError
from miniseg_edge.export.request import ExportRequest
from miniseg_edge.export.tensorrt.engine_files import gpu_to_build_on
from miniseg_edge.runtimes.openvino import has_bf16
from miniseg_edge.runtimes.tensorrt.vendors import vendor_of


def runnable(request: ExportRequest) -> ExportRequest:
    """The request, of `--precision auto` without what this CPU does not run.

    Raises:
        IncompatibleError: BF16 was asked for by name, and this CPU has none.
        MissingDependencyError: a vendor's package is not installed.
        RuntimeUnavailableError: an engine is built on the GPU that will run it, and there is none.
    """
    for vendor in filter(None, map(vendor_of, request.targets)):
        gpu_to_build_on(vendor)
    if ("openvino", "bf16") not in request.builds or has_bf16():
        return request
    if not request.auto:
        raise IncompatibleError(
            "this CPU has no BF16, so nothing in it can be proved here", "AVX-512 BF16 or AMX", "neither",
            "Export on a machine like the one it is for, or leave --precision bf16 out.",
        )  # fmt: skip
    terminal.say("BF16 is not tried: this CPU has none")
    return replace(request, precisions=tuple(p for p in request.precisions or () if p != "bf16"))
