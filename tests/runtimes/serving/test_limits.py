"""Overload, deadlines, stopping, and who may listen where: each on a service that runs."""

import datetime
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import miniseg_edge
from miniseg_edge.phantoms import phantom
from miniseg_edge.runtimes.serving.command import main
from miniseg_edge.slices.preprocessing import ByteArray
from tests.keys import make_keys
from tests.runtimes.serving.process import PATIENCE_S, body_of, reply_on, running, wait_until

TOKEN = "0123456789abcdef0123456789abcdef"
PATIENT = "DOE^JOHN"

slow = pytest.mark.slow


def one(seed: int) -> ByteArray:
    return phantom(seed, (64, 64)).image[None]


def masks(bundle: Path, *seeds: int) -> list[ByteArray]:
    with miniseg_edge.load(bundle, threads=1, streams=1) as segmenter:
        return [segmenter.segment(one(seed)[0]).mask for seed in seeds]


@slow
def test_one_more_than_fit_is_told_so_and_those_inside_lose_nothing(demo_bundle_path: Path, tmp_path: Path) -> None:
    wanted = masks(demo_bundle_path, 1, 2)
    with running(demo_bundle_path, tmp_path, "--streams", "1", "--queue", "1", "--deadline", "600") as service:
        with service.half_asked(one(1)) as first, service.half_asked(one(2)) as second:
            service.wait_for_inside(2)
            for seed in range(3, 30):  # each of them before its body is read
                got = service.infer(one(seed))
                assert (got.status, got.headers["retry-after"], got.error.partition(":")[0]) == (503, "1", "BUSY")
            assert service.metric("miniseg_requests_inside") == 2
            found = [first().mask[0], second().mask[0]]
        np.testing.assert_array_equal(found, wanted)
        service.wait_for_inside(0)
        assert service.infer(one(3)).status == 200
        assert service.metric('miniseg_requests_total{code="BUSY",status="503"}') == 27
        assert service.metric("miniseg_slices_total") == 3


@slow
def test_a_body_that_does_not_come_in_time_is_not_waited_for(demo_bundle_path: Path, tmp_path: Path) -> None:
    with running(demo_bundle_path, tmp_path, "--deadline", "0.05") as service:
        body, headers = body_of(one(1))
        connection = service.connection()
        connection.putrequest("POST", service.infer_path)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body[:-1])
        got = reply_on(connection)  # nothing more was sent
        connection.close()
        assert (got.status, got.error.partition(":")[0]) == (504, "DEADLINE")
        service.wait_for_inside(0)


@slow
def test_sigterm_finishes_what_runs_refuses_the_rest_and_ends_well(demo_bundle_path: Path, tmp_path: Path) -> None:
    (wanted,) = masks(demo_bundle_path, 1)
    with running(demo_bundle_path, tmp_path, "--deadline", "600", "--verbose") as service:
        with service.half_asked(one(1), called=PATIENT) as rest:
            service.wait_for_inside(1)
            assert service.ask("GET", "/v2/health/ready").status == 200
            service.process.terminate()
            wait_until(lambda: service.ask("GET", "/v2/health/ready").status == 400, "it is not ready")
            assert service.ask("GET", "/v2/health/live").status == 200
            got = service.infer(one(2))
            assert (got.status, got.headers["retry-after"], got.error.partition(":")[0]) == (503, "1", "CLOSED")
            assert service.process.poll() is None
            answer = rest()
            assert answer.head["id"] == PATIENT
            np.testing.assert_array_equal(answer.mask[0], wanted)
        assert service.process.wait(PATIENCE_S) == 0
        _, out, error = service.stopped()
        assert "200 done, 1 slices" in error
        assert out.splitlines()[-1] == "stopped"


@slow
def test_logs_name_no_patient(demo_bundle_path: Path, tmp_path: Path) -> None:
    with running(demo_bundle_path, tmp_path, "--verbose") as service:
        assert service.infer(one(1), called=PATIENT).head["id"] == PATIENT
        for path in (f"/v2/models/{PATIENT}/infer", f"/{PATIENT}"):
            assert service.ask("POST", path, b"{}").status == 404
        foreign: dict[str, Any] = {PATIENT: 1}
        bad, headers = body_of(one(1), **foreign)
        assert service.ask("POST", service.infer_path, bad, headers).status == 400
        assert service.ask("POST", service.infer_path, PATIENT.encode()).status == 400
        code, out, error = service.stopped()
        assert code == 0
        assert "400 REQUEST" in error
        assert "DOE" not in out + error


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "workstation")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "server.pem", folder / "server.key"
    cert_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key_path.chmod(0o600)
    return cert_path, key_path


def write_token(folder: Path, token: str = TOKEN) -> Path:
    path = folder / "token"
    path.write_text(f"{token}\n")
    path.chmod(0o600)
    return path


def remote_words(folder: Path) -> dict[str, list[str]]:
    """What lets a service listen beyond loopback."""
    cert, key = write_certificate(folder)
    return {
        "permission": ["--allow-remote"],
        "token": ["--token-file", str(write_token(folder))],
        "tls": ["--tls-cert", str(cert), "--tls-key", str(key)],
    }


@slow
def test_beyond_loopback_it_speaks_tls_to_those_with_the_token(demo_bundle_path: Path, tmp_path: Path) -> None:
    (wanted,) = masks(demo_bundle_path, 1)
    words = [word for some in remote_words(tmp_path).values() for word in some]
    with running(demo_bundle_path, tmp_path, "--host", "0.0.0.0", "--verbose", *words) as service:
        service.tls = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Authorization": TOKEN}):
            service.headers = wrong
            for path in ("/v2", "/metrics", "/v2/models/demo", "/docs"):
                got = service.ask("GET", path)
                assert (got.status, got.error.partition(":")[0]) == (401, "UNAUTHORIZED")
            assert service.infer(one(1)).status == 401
            assert service.ask("GET", "/v2/health/live").status == 200
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        np.testing.assert_array_equal(service.infer(one(1)).mask[0], wanted)
        assert service.ask("GET", "/v2", headers={"Host": "radiology.example"}).status == 200
        service.tls = None
        with pytest.raises(OSError):  # noqa: PT011  reset or cut off, as the system likes
            service.ask("GET", "/v2/health/live")
        arguments = Path(f"/proc/{service.process.pid}/cmdline")
        assert not arguments.exists() or TOKEN.encode() not in arguments.read_bytes()
        code, out, error = service.stopped()
        assert code == 0
        assert TOKEN not in out + error


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "8.8.8.8"])
@pytest.mark.parametrize("missing", ["permission", "token", "tls", "all"])
def test_without_all_of_it_nobody_beyond_loopback_is_listened_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, missing: str
) -> None:
    words = [word for name, some in remote_words(tmp_path).items() if missing not in (name, "all") for word in some]
    assert main([str(tmp_path / "no bundle is looked at"), "--host", host, *words]) == 2
    assert "other machines could reach this address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "workstation.example"], "the host is invalid"),
        (["--host", ""], "the host is invalid"),
        (["--port", "65536"], "the port is invalid"),
        (["--queue", "-1"], "the limits are invalid"),
        (["--deadline", "0"], "the limits are invalid"),
        (["--deadline", "nan"], "the limits are invalid"),
        (["--max-body", "0"], "the limits are invalid"),
        (["--tls-cert", "server.pem"], "TLS needs a certificate and a key"),
        (["--token-file", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main([str(tmp_path / "none"), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", "too-short", "0123456789abcdef 0123456789abcdef", "é" * 40])
def test_a_token_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str) -> None:
    assert main([str(tmp_path / "none"), "--token-file", str(write_token(tmp_path, token))]) == 2
    shown = capsys.readouterr().err
    assert "contains no token" in shown
    assert token == "" or token not in shown


@pytest.mark.skipif(os.name != "posix", reason="files have no such modes")
@pytest.mark.parametrize("name", ["token", "server.key"])
def test_secrets_that_others_can_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = [word for some in remote_words(tmp_path).values() for word in some]
    (tmp_path / name).chmod(0o640)
    assert main([str(tmp_path / "none"), *words]) == 2
    assert "other users can read" in capsys.readouterr().err


def test_a_bundle_that_nobody_signed_is_not_served_to_who_trusts_a_key(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = make_keys(tmp_path)
    assert main([str(bundle_path), "--port", "0", "--trust", str(keys.public)]) == 1
    assert "SIGNATURE" in capsys.readouterr().err
