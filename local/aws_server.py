"""moto's services on one port, with the refusals, races and delays of the real ones."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.faults import DELAYS, REFUSALS, Faults
from local.web import HOST, Request, Response

FAULTS_PATH = "/local/faults"


class AwsServer:
    """Answers AWS requests (``handle``), and ``PUT`` or ``DELETE /local/faults`` for trouble on request.

    What it adds to moto: 409 for conditional writes that race for a key, 403 for a missing key when the caller can't
    list (a switch), and the faults.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._app = DomainDispatcherApplication(create_backend_app)
        self._writing: set[str] = set()
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if urlsplit(request.target).path == FAULTS_PATH:
            return self._set_faults(request)
        service, operation = identify(request)
        for fault in self._faults.take(service, operation, DELAYS):
            if fault.effect == "timeout":
                time.sleep(fault.seconds)
                return Response(0, aborts=True)
            if not _is_conditional_put(request):
                time.sleep(fault.seconds)
                continue
            # The delay of a conditional write is time in which another one can race it.
            return self._write_once(request, fault.seconds)
        # ECR's refusals are the registry's, which counts them.
        refusals = self._faults.take(service, operation, REFUSALS) if service != "ecr" else []
        if refusals:
            return _refusal(service, refusals[0].effect)
        if _is_conditional_put(request):
            return self._write_once(request, 0)
        response = self._call(request)
        if operation in ("GetObject", "HeadObject") and response.status == 404 and self._faults.hides_missing_keys:
            return _s3_error(403, "AccessDenied", "Access Denied")
        return response

    def _write_once(self, request: Request, seconds: float) -> Response:
        path = urlsplit(request.target).path
        with self._lock:
            if path in self._writing:
                return _s3_error(
                    409,
                    "ConditionalRequestConflict",
                    "The conditional request cannot succeed due to a conflicting operation.",
                )
            self._writing.add(path)
        try:
            if seconds:
                time.sleep(seconds)
            return self._call(request)
        finally:
            with self._lock:
                self._writing.discard(path)

    def _set_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
            return Response(204)
        try:
            self._faults.replace(json.loads(request.body))
        except ValueError as error:
            return Response(400, body=f"{error}\n".encode())
        return Response(204)

    def _call(self, request: Request) -> Response:
        response = Response(500)

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            response.status = int(status.split(" ", 1)[0])
            own = ("connection", "date", "server", "transfer-encoding")
            # moto lets the scripts of any web page read its answers.
            kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
            response.headers = [(name, value) for name, value in kept if name.lower() not in own]
            return lambda data: None

        parts: Iterable[bytes] = self._app(_environ(request), start_response)
        response.body = b"".join(parts)
        return response


def identify(request: Request) -> tuple[str, str]:
    """The service and operation of an AWS request, such as ``("s3", "PutObject")``; what is not known is empty."""
    authorization = request.header("Authorization") or ""
    scope = authorization.partition("Credential=")[2].split(",")[0].split("/")
    service = scope[3] if len(scope) > 3 else ""
    if (target := request.header("X-Amz-Target")) is not None:
        return service, target.rpartition(".")[2]
    if service == "s3":
        return service, _s3_operation(request)
    if b"Action=" in request.body:
        return service, request.body.partition(b"Action=")[2].split(b"&")[0].decode()
    return service, ""


def _s3_operation(request: Request) -> str:
    url = urlsplit(request.target)
    has_key = url.path.strip("/").count("/") > 0
    if not has_key:
        return {"GET": "ListObjectsV2", "PUT": "CreateBucket", "HEAD": "HeadBucket", "POST": "DeleteObjects"}.get(
            request.method, ""
        )
    return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(
        request.method, ""
    )


def _is_conditional_put(request: Request) -> bool:
    return (
        request.method == "PUT"
        and identify(request)[0] == "s3"
        and (request.header("If-Match") is not None or request.header("If-None-Match") is not None)
    )


def _refusal(service: str, effect: str) -> Response:
    if service == "s3":
        if effect == "throttle":
            return _s3_error(503, "SlowDown", "Please reduce your request rate.")
        return _s3_error(500, "InternalError", "We encountered an internal error. Please try again.")
    code = "ThrottlingException" if effect == "throttle" else "InternalFailure"
    status = 400 if effect == "throttle" else 500
    if service == "sqs":
        body = json.dumps({"__type": code, "message": code}).encode()
        return Response(status, [("Content-Type", "application/x-amz-json-1.0")], body)
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{code}</Message></Error></ErrorResponse>"
    return Response(status, [("Content-Type", "text/xml")], text.encode())


def _s3_error(status: int, code: str, message: str) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(status, [("Content-Type", "application/xml")], text.encode())


def _environ(request: Request) -> dict[str, Any]:
    url = urlsplit(request.target)
    host = request.header("Host") or HOST
    name, _, port = host.partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # WSGI's own rule: the bytes of the path, each as one Latin-1 character.
        "PATH_INFO": unquote(url.path, "latin-1"),
        "QUERY_STRING": url.query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "SERVER_NAME": name,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for key, value in request.headers:
        if key.lower() == "content-type":
            environ["CONTENT_TYPE"] = value
        elif key.lower() not in ("content-length", "transfer-encoding"):
            environ[f"HTTP_{key.upper().replace('-', '_')}"] = value
    return environ
