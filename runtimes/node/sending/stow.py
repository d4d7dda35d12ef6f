"""Results to an archive by STOW-RS."""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

from miniseg_edge.errors import SendError, SendRefusedError
from miniseg_edge.host.dependencies import require
from miniseg_edge.host.silence import silence
from miniseg_edge.runtimes.node.associations.peers import ArchiveUrl
from miniseg_edge.runtimes.node.keeping.records import Reference
from miniseg_edge.runtimes.node.keeping.spool import key_of
from miniseg_edge.runtimes.node.sending.archive import Outgoing

CONNECT_S, ANSWER_S = 10.0, 120.0

_REFUSALS = range(400, 500)
_MAY_PASS = (401, 403, 404, 408, 425, 429)
"""Refusals of the request rather than of the result, which an administrator, or time, may change."""


class StowArchive:
    """An archive at a URL. Thread-safety: one thread at a time."""

    def __init__(self, archive: ArchiveUrl, token: str | None, tls: ssl.SSLContext | None) -> None:
        """Opens nothing yet.

        Args:
            archive: where it is.
            token: bearer token, or None.
            tls: for https; None uses the system's certificates.
        """
        self.name, self.key = archive.name, key_of(archive.url)
        requests: Any = require("requests", "node")
        adapters: Any = require("requests.adapters", "node")
        api: Any = require("dicomweb_client.api", "node")

        class Patient(adapters.HTTPAdapter):  # type: ignore[misc]
            """A session with timeouts, which only trusts the given certificates."""

            def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
                super().init_poolmanager(*args, **kwargs, **({} if tls is None else {"ssl_context": tls}))

            def send(self, request: Any, **kwargs: Any) -> Any:
                kwargs["timeout"] = (CONNECT_S, ANSWER_S)
                return super().send(request, **kwargs)

        session = requests.Session()
        session.trust_env = False  # patient data must not pass through a proxy that is meant for something else
        for scheme in ("http://", "https://"):
            session.mount(scheme, Patient())
        if token is not None:
            session.headers["Authorization"] = f"Bearer {token}"
        self._http_error = requests.exceptions.HTTPError
        self._failures = (requests.exceptions.RequestException, OSError, ValueError)
        self._client = api.DICOMwebClient(archive.url, session=session)
        self._client.set_http_retry_params(retry=False)  # the sender has its own retries

    def store(self, results: Sequence[Outgoing], stored: Callable[[Outgoing], None]) -> None:
        """As `Archive` says."""
        pydicom: Any = require("pydicom", "node")
        for result in results:
            dataset = pydicom.dcmread(result.path)
            try:
                with silence("dicomweb_client"):
                    answer = self._client.store_instances([dataset])
            except self._http_error as error:
                raise self._refused(getattr(error.response, "status_code", 0)) from None
            except self._failures as error:
                raise SendError(f"{self.name} cannot be reached", because=type(error).__name__) from None
            if answer.get("FailedSOPSequence"):
                reason = answer.FailedSOPSequence[0].get("FailureReason", 0)
                raise SendRefusedError(
                    f"{self.name} refused a result", expected="no failure", got=f"{int(reason or 0):04X}"
                )
            stored(result)

    def ask_to_keep(self, references: Sequence[Reference], transaction_uid: str) -> bool:
        """DICOMweb's response is the only information."""
        return False

    def _refused(self, status: int) -> SendError:
        if status in _REFUSALS and status not in _MAY_PASS:
            return SendRefusedError(f"{self.name} refused a result", expected="HTTP 200", got=str(status))
        return SendError(f"{self.name} did not take a result", expected="HTTP 200", got=str(status))
