"""The protocol's paths: health, metadata, masks, and Prometheus metrics."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from miniseg_edge.errors import MiniSegError, RequestError
from miniseg_edge.host.dependencies import versions
from miniseg_edge.runtimes.serving.http.guard import Guard
from miniseg_edge.runtimes.serving.infer import Infer
from miniseg_edge.runtimes.serving.metrics import CONTENT_TYPE
from miniseg_edge.runtimes.serving.protocol.answers import Answer, answer_of_error, document
from miniseg_edge.runtimes.serving.protocol.model import check_model
from miniseg_edge.runtimes.serving.service import Service

_MODEL = "/v2/models/{model}"
_OK = Answer(200, b"")


def application_of(service: Service, hosts: frozenset[str] | None, token: bytes | None) -> ASGIApp:
    """The service as an ASGI application; see `Guard` for `hosts` and `token`."""

    def live() -> Answer:
        return _OK

    def ready() -> Answer:
        # The protocol answers "no" with 4xx.
        return document({"error": "CLOSED: the service is stopping"}, 400) if service.gate.stopping else _OK

    def server() -> Answer:
        version = versions(("miniseg-edge",)).get("miniseg-edge", "unknown")
        return document({"name": "miniseg-serve", "version": version, "extensions": ["binary_tensor_data"]})

    def metrics() -> Answer:
        return Answer(200, service.metrics.text(), {"Content-Type": CONTENT_TYPE})

    def metadata() -> Answer:
        return document(service.model.metadata())

    def endpoint(answer: Callable[[], Answer]) -> Callable[[Request], Any]:
        async def answered(request: Request) -> Response:
            if "model" in request.path_params:
                check_model(service.model, request.path_params)
            return _response(answer())

        return answered

    infer = Infer(service)
    routes = [
        Route("/v2/health/live", endpoint(live)),
        Route("/v2/health/ready", endpoint(ready)),
        Route("/v2", endpoint(server)),
        Route("/metrics", endpoint(metrics)),
    ]
    for path in (_MODEL, f"{_MODEL}/versions/{{version}}"):
        routes += [
            Route(path, endpoint(metadata)),
            Route(f"{path}/ready", endpoint(ready)),
            Route(f"{path}/infer", infer, methods=["POST"]),
        ]
    handlers: dict[Any, Any] = {MiniSegError: _refused, HTTPException: _no_path}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts, token)


async def _refused(request: Request, error: MiniSegError) -> Response:
    return _response(answer_of_error(error))


async def _no_path(request: Request, error: HTTPException) -> Response:
    answer = answer_of_error(
        RequestError("unknown path or method", expected="one of the protocol's", got=str(error.status_code))
    )
    return Response(answer.body, error.status_code, {**answer.headers, **(error.headers or {})})


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)
