"""Signed bundles: what the owner of the trusted key signed is opened, and nothing else, before anything is parsed."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import miniseg_edge
from miniseg_edge.bundle import bundle as bundle_module
from miniseg_edge.bundle.bundle import open_bundle, write_bundle
from miniseg_edge.bundle.manifest import MANIFEST_NAME, sealed
from miniseg_edge.bundle.signature import MAX_SIGNATURE_BYTES, SIGNATURE_NAME, signer_from_key, signing_key
from miniseg_edge.errors import BundleError, IntegrityError, PathEscapeError, SignatureError, UsageError
from miniseg_edge.export.command import main as export
from miniseg_edge.host.files import bytes_from_file, sha256_of
from miniseg_edge.runtimes.segment_command import main as segment
from miniseg_edge.runtimes.verification.command import main as verify
from tests.bundles import CONTENTS, files_below, other_bundle, small_bundle
from tests.keys import PASSWORD, Keys, make_keys

MODEL_SIGNING = str(Path(sys.executable).with_name("model_signing"))


@dataclass(frozen=True)
class Signed:
    """A signed bundle on disk, to be tampered with, and the keys of its maker and of somebody else."""

    path: Path
    keys: Keys
    foreign: Keys


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    keys = make_keys(tmp_path)
    write_bundle(small_bundle(), tmp_path / "small", signer=signer_from_key(keys.private))
    return Signed(tmp_path / "small", keys, make_keys(tmp_path, "foreign"))


@pytest.fixture
def nothing_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the test fail if the manifest, the first file that is parsed, gets that far."""

    def parsed(data: bytes) -> None:
        pytest.fail("the manifest was parsed before the signature was found to hold")

    monkeypatch.setattr(bundle_module, "manifest_from_json", parsed)


def test_what_was_signed_is_opened(signed: Signed) -> None:
    assert open_bundle(signed.path, trust=signed.keys.public) == small_bundle()
    assert open_bundle(str(signed.path), trust=str(signed.keys.public)) == small_bundle()
    assert files_below(signed.path) == {*CONTENTS, MANIFEST_NAME, SIGNATURE_NAME}


def test_without_a_trusted_key_the_signature_is_not_looked_at(signed: Signed) -> None:
    (signed.path / SIGNATURE_NAME).write_bytes(b"\xff")
    assert open_bundle(signed.path) == small_bundle()


def test_a_signature_names_its_key(signed: Signed) -> None:
    signature = (signed.path / SIGNATURE_NAME).read_bytes()
    assert signing_key(signature) == sha256_of(signed.keys.public.read_bytes())


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_each_curve_signs(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    keys = make_keys(tmp_path, curve=curve)
    write_bundle(small_bundle(), tmp_path / "small", signer=signer_from_key(keys.private))
    assert open_bundle(tmp_path / "small", trust=keys.public) == small_bundle()


def test_an_encrypted_key_signs_with_its_password(tmp_path: Path) -> None:
    keys = make_keys(tmp_path, encrypted=True)
    write_bundle(small_bundle(), tmp_path / "small", signer=signer_from_key(keys.private, PASSWORD))
    assert open_bundle(tmp_path / "small", trust=keys.public) == small_bundle()
    for wrong in (None, b"another"):
        with pytest.raises(SignatureError, match="cannot sign"):
            signer_from_key(keys.private, wrong)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def flipping(name: str) -> Callable[[Path], None]:
    return lambda bundle: flip(bundle / name)


def swap(bundle: Path) -> None:
    """Two files under each other's name."""
    one, two = bundle / "onnx" / "model.onnx", bundle / "parity.json"
    kept = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(kept)


def forge(bundle: Path) -> None:
    """Another bundle, whole and consistent, under the old signature."""
    signature = (bundle / SIGNATURE_NAME).read_bytes()
    write_bundle(other_bundle(), bundle, overwrite=True)
    (bundle / SIGNATURE_NAME).write_bytes(signature)


TAMPERED: dict[str, Callable[[Path], object]] = {
    **{f"a bit of {name}": flipping(name) for name in (*CONTENTS, MANIFEST_NAME)},
    "spaces after the manifest, which JSON allows": lambda bundle: append(bundle / MANIFEST_NAME),
    "a file added": lambda bundle: (bundle / "onnx" / "more.bin").touch(),
    "a file added under a name that version control ignores": lambda bundle: (bundle / ".gitignore").touch(),
    "a file removed": lambda bundle: (bundle / "parity.json").unlink(),
    "a file renamed": lambda bundle: (bundle / "parity.json").rename(bundle / "parity2.json"),
    "a file renamed by case": lambda bundle: (bundle / "parity.json").rename(bundle / "Parity.json"),
    "files swapped": swap,
    "another bundle": forge,
    "the signature removed": lambda bundle: (bundle / SIGNATURE_NAME).unlink(),
    "the signature empty": lambda bundle: (bundle / SIGNATURE_NAME).write_bytes(b""),
    "the signature cut": lambda bundle: os.truncate(bundle / SIGNATURE_NAME, 400),
    "the signature huge": lambda bundle: os.truncate(bundle / SIGNATURE_NAME, MAX_SIGNATURE_BYTES + 1),
    "the signature nested": lambda bundle: (bundle / SIGNATURE_NAME).write_bytes(b'{"a":' + b"[" * 10**6),
    "the signature of another kind": lambda bundle: (bundle / SIGNATURE_NAME).write_bytes(b"{}"),
}


@pytest.mark.usefixtures("nothing_is_parsed")
@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_refused_unparsed(signed: Signed, tamper: Callable[[Path], object]) -> None:
    tamper(signed.path)
    with pytest.raises(SignatureError):
        open_bundle(signed.path, trust=signed.keys.public)


@pytest.mark.usefixtures("nothing_is_parsed")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
@pytest.mark.parametrize("name", ["onnx/model.onnx", MANIFEST_NAME, SIGNATURE_NAME])
def test_a_link_is_refused_unparsed(signed: Signed, name: str, link: Callable[[Path, Path], None]) -> None:
    outside = signed.path.parent / "outside"
    (signed.path / name).rename(outside)
    link(signed.path / name, outside)
    with pytest.raises(PathEscapeError):
        open_bundle(signed.path, trust=signed.keys.public)


@pytest.mark.usefixtures("nothing_is_parsed")
def test_a_flood_of_files_is_refused_unread(signed: Signed) -> None:
    with (signed.path / "hole").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(IntegrityError, match="too large"):
        open_bundle(signed.path, trust=signed.keys.public)


@pytest.mark.usefixtures("nothing_is_parsed")
def test_somebody_elses_signature_is_refused_unparsed(signed: Signed) -> None:
    with pytest.raises(SignatureError, match="is not valid"):
        open_bundle(signed.path, trust=signed.foreign.public)


@pytest.mark.usefixtures("nothing_is_parsed")
def test_a_foreign_signature_that_claims_the_trusted_key_is_refused(signed: Signed) -> None:
    write_bundle(other_bundle(), signed.path, overwrite=True, signer=signer_from_key(signed.foreign.private))
    path = signed.path / SIGNATURE_NAME
    found = json.loads(path.read_bytes())
    found["verificationMaterial"]["publicKey"]["hint"] = sha256_of(signed.keys.public.read_bytes())
    path.write_text(json.dumps(found))
    with pytest.raises(SignatureError, match="is not valid"):
        open_bundle(signed.path, trust=signed.keys.public)


@pytest.mark.usefixtures("nothing_is_parsed")
def test_digests_edited_under_a_signature_are_refused(signed: Signed) -> None:
    path = signed.path / SIGNATURE_NAME
    found = json.loads(path.read_bytes())
    payload = base64.b64decode(found["dsseEnvelope"]["payload"])
    edited = payload.replace(sha256_of(CONTENTS["parity.json"]).encode(), b"0" * 64)
    assert edited != payload
    found["dsseEnvelope"]["payload"] = base64.b64encode(edited).decode()
    path.write_text(json.dumps(found))
    with pytest.raises(SignatureError, match="is not valid") as refused:
        open_bundle(signed.path, trust=signed.keys.public)
    assert not re.search(r"b['\"]|\\x", str(refused.value)), "no raw bytes"


def test_a_bundle_that_the_key_signed_must_also_be_a_bundle(signed: Signed) -> None:
    """A signature says who, not that it makes sense: every other check still holds."""
    wrong = replace(small_bundle().manifest, created="2030-01-01T00:00:00Z")  # its digest is of another
    signer = signer_from_key(signed.keys.private)
    write_bundle(replace(small_bundle(), manifest=wrong), signed.path, overwrite=True, signer=signer)
    with pytest.raises(IntegrityError, match=MANIFEST_NAME):
        open_bundle(signed.path, trust=signed.keys.public)


def test_a_file_of_the_bundle_cannot_pose_as_the_signature(tmp_path: Path) -> None:
    contents = {**CONTENTS, SIGNATURE_NAME: b"{}"}
    manifest = sealed(replace(small_bundle().manifest, files=bundle_module.file_records(contents)))
    write_bundle(replace(small_bundle(), manifest=manifest, contents=contents), tmp_path / "small")
    with pytest.raises(IntegrityError, match="not those"):
        open_bundle(tmp_path / "small")


def test_a_file_that_changes_while_it_is_opened_is_used_as_it_was_checked(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack on the time between check and use: each file is another one as soon as it was read."""

    def read_and_replaced(path: Path, limit: int, error: type[BundleError]) -> bytes:
        data = bytes_from_file(path, limit, error)
        path.write_bytes(b"x" * len(data))
        return data

    monkeypatch.setattr(bundle_module, "bytes_from_file", read_and_replaced)
    assert open_bundle(signed.path, trust=signed.keys.public) == small_bundle()
    monkeypatch.undo()
    with pytest.raises(SignatureError):
        open_bundle(signed.path, trust=signed.keys.public)


def unusable_keys(folder: Path) -> dict[str, bytes]:
    """Keys of each wrong kind: the private half, the public half."""
    others: dict[str, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    hidden = {n: k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for n, k in others.items()}
    shown = {
        f"{n} public": k.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for n, k in others.items()
    }
    koblitz = make_keys(folder, "koblitz", ec.SECP256K1())
    koblitz_halves = {"koblitz": koblitz.private.read_bytes(), "koblitz public": koblitz.public.read_bytes()}
    return {"text": b"-----BEGIN", "nothing": b"", "huge": b"0" * 2**20, **hidden, **shown, **koblitz_halves}


def test_keys_that_cannot_be_used_are_refused(signed: Signed, tmp_path: Path) -> None:
    for name, data in unusable_keys(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SignatureError):
            signer_from_key(tmp_path / name)
        with pytest.raises(SignatureError):
            open_bundle(signed.path, trust=tmp_path / name)
    with pytest.raises(SignatureError, match="cannot sign"):
        signer_from_key(signed.keys.public)
    with pytest.raises(SignatureError, match="cannot check"):
        open_bundle(signed.path, trust=signed.keys.private)
    with pytest.raises(SignatureError, match="nothing there"):
        open_bundle(signed.path, trust=tmp_path / "absent")


def test_an_opened_bundle_is_past_trusting(signed: Signed) -> None:
    with pytest.raises(UsageError, match="where it is opened"):
        miniseg_edge.load(small_bundle(), trust=signed.keys.public)


@pytest.mark.slow
def test_the_openssf_command_accepts_what_we_sign(signed: Signed) -> None:
    words = ["--signature", str(signed.path / SIGNATURE_NAME), "--public_key", str(signed.keys.public)]
    command = [MODEL_SIGNING, "verify", "key", str(signed.path), *words]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    flip(signed.path / "parity.json")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.slow
def test_we_accept_what_the_openssf_command_signs(signed: Signed) -> None:
    (signed.path / SIGNATURE_NAME).unlink()
    words = ["--signature", str(signed.path / SIGNATURE_NAME), "--private_key", str(signed.keys.private)]
    subprocess.run([MODEL_SIGNING, "sign", "key", str(signed.path), *words], capture_output=True, check=True)
    assert open_bundle(signed.path, trust=signed.keys.public) == small_bundle()
    (signed.path / ".gitignore").touch()  # which that command leaves out, and we do not
    with pytest.raises(SignatureError):
        open_bundle(signed.path, trust=signed.keys.public)


def test_checking_needs_no_network_and_leaves_home_alone(signed: Signed, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "def watch(event, arguments):\n"
        "    if event.startswith(('socket.connect', 'socket.getaddrinfo', 'socket.gethost')): raise SystemExit(event)\n"
        "sys.addaudithook(watch)\n"
        "import miniseg_edge\n"
        f"miniseg_edge.open_bundle({str(signed.path)!r}, trust={str(signed.keys.public)!r})\n"
    )
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    environment = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "")
    assert files_below(tmp_path / "home") == set()


@pytest.fixture(scope="module")
def made(tiny_checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    keys = make_keys(folder)
    words = ["--target", "onnx", "--input-size", "32", "32", "--sign", str(keys.private)]
    assert export([str(tiny_checkpoint_path), *words, "--output", str(folder / "made")]) == 0
    return Signed(folder / "made", keys, make_keys(folder, "foreign"))


def test_a_signed_export_is_verified_and_segments(
    made: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = ["--trust", str(made.keys.public)]
    assert verify([str(made.path), *trust]) == 0
    assert "signed by the owner of bundle.pub" in capsys.readouterr().out
    image = next((made.path / "golden").glob("*.png"))
    assert segment([str(made.path), str(image), "--output", str(tmp_path / "masks"), *trust]) == 0
    with miniseg_edge.load(made.path, trust=made.keys.public) as segmenter:
        assert segmenter.bundle == open_bundle(made.path)


def test_a_foreign_key_is_an_error(made: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trust = ["--trust", str(made.foreign.public)]
    image = next((made.path / "golden").glob("*.png"))
    assert verify([str(made.path), *trust]) == 1
    assert segment([str(made.path), str(image), "--output", str(tmp_path / "masks"), *trust]) == 1
    assert capsys.readouterr().err.count("SIGNATURE") == 2
    assert not (tmp_path / "masks").exists()


def test_a_key_that_cannot_sign_is_found_before_the_work(
    made: Signed, tiny_checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [str(tiny_checkpoint_path), "--target", "onnx", "--output", str(tmp_path / "out")]
    assert export([*out, "--sign", str(made.keys.public)]) == 1
    assert "SIGNATURE" in capsys.readouterr().err
    assert export([*out, "--trust", str(made.keys.public)]) == 2
    encrypted = make_keys(tmp_path, "hidden", encrypted=True)
    assert export([*out, "--sign", str(encrypted.private)]) == 2
    assert "password" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_copy_keeps_its_signature(made: Signed, tmp_path: Path) -> None:
    shutil.copytree(made.path, tmp_path / "another name")
    assert verify([str(tmp_path / "another name"), "--trust", str(made.keys.public)]) == 0
