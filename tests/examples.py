"""What the tests of the programs in `examples` have in common."""

import json
import subprocess
from pathlib import Path

from miniseg_edge.slices.preprocessing import ByteArray

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE = 64


def has_openssl(compiler: str) -> bool:
    """Whether it finds OpenSSL's headers."""
    command = [compiler, "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input="#include <openssl/sha.h>\n", text=True, capture_output=True, check=False)
    return done.returncode == 0


def model(bundle: Path, target: str = "openvino") -> list[str]:
    """The artefact's files with their digests, as the programs take them, out of a manifest that is not checked."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (artifact,) = (a for a in manifest["artifacts"] if a["target"] == target)
    return [word for name in artifact["files"] for word in (str(bundle / name), manifest["files"][name]["sha256"])]


def run(program: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def write_pgm(path: Path, image: ByteArray) -> Path:
    path.write_bytes(b"P5\n%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes())
    return path
