"""A proxy before a server of HTTP that throttles, and cuts connections: before an answer, and in the middle of one."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

THROTTLED, UNANSWERED, TORN, PASSED = "throttled", "unanswered", "torn", "passed"

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with fewer, connections wait for seconds
    daemon_threads = True


class FaultyProxy:
    """Passes requests on, some of them badly.

    Attributes:
        shares: of the requests that get each fault.
        seen: how many requests got what.
    """

    def __init__(self, behind: int, seed: int) -> None:
        self.behind = behind
        self.shares: Mapping[str, float] = {}
        self.seen = Counter[str]()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self._server.server_address[1]

    def fault(self) -> str:
        """What the next request gets."""
        with self._lock:
            point = self._random.random()
            for fault, share in self.shares.items():
                point -= share
                if point < 0:
                    self.seen[fault] += 1
                    return fault
            self.seen[PASSED] += 1
            return PASSED

    @contextmanager
    def running(self) -> Iterator["FaultyProxy"]:
        """Serves while inside."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    @contextmanager
    def with_faults(self, **shares: float) -> Iterator[Counter[str]]:
        """Faults while inside; what was seen of them."""
        self.shares, self.seen = shares, Counter()
        try:
            yield self.seen
        finally:
            self.shares = {}


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            fault = proxy.fault()
            if fault == UNANSWERED or len(body) < size:  # a client that was killed sends a part
                self.close_connection = True
                return
            if fault == THROTTLED:
                self._send(503, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else _SLOW_DOWN)
                return
            with closing(HTTPConnection("127.0.0.1", proxy.behind, timeout=30)) as behind:
                behind.request(self.command, self.path, body, dict(self.headers.items()))
                answer = behind.getresponse()
                data = answer.read()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length") or "0"
            self._send(answer.status, headers, data, torn=fault == TORN)

        def _send(self, status: int, headers: Mapping[str, str], data: bytes, *, torn: bool = False) -> None:
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if torn else data)
            self.close_connection = self.close_connection or torn

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

        def log_message(self, *words: object) -> None:
            """A test shows nothing."""

    return Handler


_OWN = ("content-length", "connection", "transfer-encoding", "keep-alive")
