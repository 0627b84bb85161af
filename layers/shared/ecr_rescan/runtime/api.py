"""What every HTTP function shares: routing, error answers, headers, and the base URL. HTTP numbers of errors live here.

::

    app = create_api({"GET /configs/{id}": ("format",)})

    @app.get("/configs/<configuration_id>")
    def get_configuration(configuration_id: str) -> Response: ...

    def lambda_handler(event, context):
        return app.resolve(event, context)
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from ecr_rescan.core.checks import Checks
from ecr_rescan.core.errors import (
    AlreadyExistsError,
    ConflictError,
    DocumentError,
    EcrRescanError,
    Fault,
    InvalidConfigurationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    QuotaExceededError,
    StoreError,
    TooManyTokensError,
    UnauthorizedError,
)
from ecr_rescan.runtime import clock, wiring
from ecr_rescan.runtime.observability import logger

JSON = "application/json"
LARGEST_BODY_BYTES = 256 * 1024

_DEFAULT_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PARAMETER = re.compile(r"{(\w+)}")
# RFC 3986, section 3.3: what may stand in a segment of a path as it is.
_IN_SEGMENTS = "-._~%!$&'()*+,;=:@"

# The first that fits counts, so subclasses come before what they refine.
_ANSWERS: tuple[tuple[type[EcrRescanError], HTTPStatus, str], ...] = (
    (InvalidConfigurationError, HTTPStatus.BAD_REQUEST, "InvalidConfiguration"),
    (TooManyTokensError, HTTPStatus.BAD_REQUEST, "TooManyTokens"),
    (QuotaExceededError, HTTPStatus.BAD_REQUEST, "QuotaExceeded"),
    (InvalidRequestError, HTTPStatus.BAD_REQUEST, "InvalidRequest"),
    (UnauthorizedError, HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    (NotFoundError, HTTPStatus.NOT_FOUND, "NotFound"),
    (AlreadyExistsError, HTTPStatus.CONFLICT, "AlreadyExists"),
    (ConflictError, HTTPStatus.CONFLICT, "Conflict"),
    (DocumentError, HTTPStatus.INTERNAL_SERVER_ERROR, "UnreadableDocument"),
    (NotReadyError, HTTPStatus.SERVICE_UNAVAILABLE, "NotReady"),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE, "StoreUnavailable"),
    (EcrRescanError, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError"),
)
CODES = frozenset(code for _, _, code in _ANSWERS) | {
    "NotAcceptable",
    "MethodNotAllowed",
    "BodyTooLarge",
    "PreconditionFailed",
    "TooManyRequests",
}
"""Every code that an error may have."""

# What these know is for the log: they name objects of the bucket and repeat what is in them.
_GENERIC = {
    "UnreadableDocument": "A stored document can't be used; the log says which and why.",
    "StoreUnavailable": "The record can't be reached; try again in a moment.",
    "InternalError": "The request failed inside the service; the log says why.",
}


class HttpError(EcrRescanError):
    """A trouble of the exchange rather than of the service: its status, and headers that belong to it."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class Api(APIGatewayRestResolver):
    """The resolver of a function behind the REST API.

    Unlike its parent it answers HEAD wherever GET is, 405 with ``Allow`` for a path that is known by other methods, and
    finds routes under a custom domain's base path; it refuses query parameters that a route doesn't know, which are
    spelling mistakes; it logs one line for each request.
    """

    def __init__(self, queries: Mapping[str, tuple[str, ...]]) -> None:
        """``queries``: the query parameters of each operation, such as ``GET /configs``; others take none."""
        super().__init__()
        self.queries = queries
        self._methods: defaultdict[str, set[str]] = defaultdict(set)

    def route(self, rule: str, method: Any, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Register a handler, as the parent does, and remember its methods."""
        self._methods[rule].update([method] if isinstance(method, str) else method)
        return super().route(rule, method, *args, **kwargs)

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer an API Gateway proxy event."""
        request = {**event, "path": _routed_path(event)}
        head = request["httpMethod"] == "HEAD"
        if head:
            request["httpMethod"] = "GET"
        response = super().resolve(request, context)
        headers = response["multiValueHeaders"]
        for name, value in _DEFAULT_HEADERS.items():
            headers.setdefault(name, [value])
        if head:
            response["body"] = ""
        # Neither the path nor the query: a token may be in them.
        logger.info(
            "answered",
            method=event["httpMethod"],
            route=event.get("resource"),
            status=response["statusCode"],
            s3_calls=wiring.take_calls(),
        )
        return response

    def check_query(self) -> None:
        """Refuse what is misspelt: ignored, it would widen what was asked for, or do what was only to be tried."""
        event = self.current_event
        if event.http_method not in self.allowed_methods(event.path):
            return
        known = self.queries.get(f"{event.http_method} {event.get('resource')}", ())
        checks = Checks(event.query_string_parameters or {})
        checks.only(known, kind="query parameter")
        if checks.faults:
            raise invalid(checks.faults)

    def allowed_methods(self, path: str) -> list[str]:
        """The methods that a path has handlers for, HEAD included; empty for an unknown path."""
        methods: set[str] = set()
        for rule, registered in self._methods.items():
            if self._compile_regex(rule).match(path):
                methods |= registered
        return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def create_api(queries: Mapping[str, tuple[str, ...]] | None = None) -> Api:
    """A resolver with the error answers of the service: ``{"error": {"code", "message", "details"}}``."""
    app = Api(queries or {})

    def checked(app: Api, next_handler: Callable[[Api], Any]) -> Any:
        app.check_query()
        return next_handler(app)

    def on_error(error: EcrRescanError) -> Response[str]:
        return _answer(error, app.current_event)

    def on_no_route(_: NoRouteError) -> Response[str]:
        allowed = ", ".join(app.allowed_methods(app.current_event.path))
        if not allowed:
            return _error_response(HTTPStatus.NOT_FOUND, "NotFound", "There is nothing at this path.")
        message = f"This path takes {allowed}."
        return _error_response(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, headers={"Allow": allowed})

    # The handler for Exception would take the framework's own errors as well, and make a 500 of them.
    def on_framework_error(error: ServiceError) -> NoReturn:
        raise error

    def on_bug(error: Exception) -> Response[str]:
        logger.error("a request failed unexpectedly", exc_info=error)
        return _error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", _GENERIC["InternalError"])

    app.use(middlewares=[checked])
    app.exception_handler(EcrRescanError)(on_error)
    app.not_found(on_no_route)
    app.exception_handler(ServiceError)(on_framework_error)
    app.exception_handler(Exception)(on_bug)
    return app


def json_response(status: HTTPStatus, body: object, *, headers: Mapping[str, str] | None = None) -> Response[str]:
    """An answer in JSON."""
    return Response(status, JSON, json.dumps(body, indent=1), headers=dict(headers or {}))


def read_json(event: APIGatewayProxyEvent) -> object:
    """The JSON in a request's body.

    Raises:
        InvalidRequestError: it is empty or no JSON, or an object in it has a member twice.
        HttpError: 413, it is over 256 KiB.
    """
    body = _body(event)
    if len(body) > LARGEST_BODY_BYTES:
        message = f"The body is over {LARGEST_BODY_BYTES} bytes."
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BodyTooLarge", message)
    if not body.strip():
        raise InvalidRequestError("the body is empty; send a JSON object")
    try:
        value: object = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_members)
    except InvalidRequestError:
        raise
    except (ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, json.JSONDecodeError) else "it can't be decoded"
        raise InvalidRequestError(f"the body is not JSON: {problem}") from error
    return value


def source_address(event: APIGatewayProxyEvent) -> str:
    """Where a request comes from, as API Gateway saw it; "" where it doesn't say."""
    return str((event["requestContext"].get("identity") or {}).get("sourceIp") or "")


def base_url(event: APIGatewayProxyEvent) -> str:
    """The URL that the API is reached by, without a slash at its end: the deployment's PUBLIC_URL, or the request's.

    Not by the Host header, which a client chooses. ``requestContext.path`` has the stage, or the base path of a custom
    domain, before the resource's own segments.
    """
    public_url = wiring.settings().public_url
    if public_url is not None:
        return public_url
    scheme = "http" if event.headers.get("X-Forwarded-Proto") == "http" else "https"
    return f"{scheme}://{event['requestContext']['domainName']}{base_path(event)}"


def base_path(event: APIGatewayProxyEvent) -> str:
    """What stands before the resource in the path of this request: the stage, or a custom domain's base path."""
    path = event["requestContext"].get("path") or ""
    depth = len(_segments(event.get("resource") or event.path))
    # A slash that came encoded in a parameter may be a slash here: it begins no segment of the resource.
    depth += sum(len(_segments(value)) - 1 for value in event.path_parameters.values() if value in path)
    return "".join(f"/{quote(segment, safe=_IN_SEGMENTS)}" for segment in _segments(path)[:-depth])


def choose_format(event: APIGatewayProxyEvent, formats: Mapping[str, str]) -> str:
    """The media type of an answer: what ``?format=`` names, which a person can type, or else what ``Accept`` likes.

    Args:
        formats: the names that there are → their media types, the one for whoever doesn't care first.

    Raises:
        InvalidRequestError: another name.
        HttpError: 406, none of them is acceptable.
    """
    asked = event.query_string_parameters.get("format")
    if asked is None:
        return choose_media_type(event.headers.get("Accept"), tuple(formats.values()))
    if asked not in formats:
        raise invalid([Fault("format", f"must be one of {', '.join(formats)}")])
    return formats[asked]


def invalid(faults: Sequence[Fault]) -> InvalidRequestError:
    """What is wrong with a request, field by field."""
    return InvalidRequestError("; ".join(f"{fault.field}: {fault.problem}" for fault in faults), faults)


def read_limit(event: APIGatewayProxyEvent, *, default: int, largest: int) -> int:
    """How many entries a page may have: ``?limit=``; InvalidRequestError where that is no number in the range."""
    text = event.query_string_parameters.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= largest):
        raise invalid([Fault("limit", f"must be a whole number from 1 to {largest}")])
    return int(text)


def read_flag(event: APIGatewayProxyEvent, name: str) -> bool:
    """Whether a query parameter is ``true``; InvalidRequestError for anything but ``true`` and ``false``."""
    text = event.query_string_parameters.get(name, "false")
    if text not in ("true", "false"):
        raise invalid([Fault(name, "must be true or false")])
    return text == "true"


def choose_media_type(accept: str | None, offered: tuple[str, ...]) -> str:
    """The offered media type that an ``Accept`` header likes best, the first of them where it doesn't care.

    RFC 9110, 12.5.1: the most specific range that fits a type decides its weight.

    Raises:
        HttpError: 406, it likes none.
    """
    weights = {media_type: _weight(accept, media_type) for media_type in offered} if accept else {}
    best = max(offered, key=lambda media_type: weights.get(media_type, 1.0))
    if weights.get(best, 1.0) <= 0:
        message = f"This path answers {', '.join(offered)}."
        raise HttpError(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", message, headers={"Vary": "Accept"})
    return best


def _answer(error: EcrRescanError, event: APIGatewayProxyEvent) -> Response[str]:
    if isinstance(error, HttpError):
        return _error_response(error.status, error.code, str(error), headers=error.headers)
    status, code = next((status, code) for kind, status, code in _ANSWERS if isinstance(error, kind))
    if isinstance(error, ConflictError) and (event.headers.get("If-Match") or event.headers.get("If-None-Match")):
        status, code = HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed"
    if isinstance(error, QuotaExceededError):
        # A metric filter of the template counts these.
        logger.warning("refused by a quota", quota=error.quota)
    if isinstance(error, NotReadyError):
        # A metric filter of the template counts these, so that the alarm on errors can leave them out.
        logger.info("not ready yet", not_ready=error.reason)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("a request could not be answered", exc_info=error)
    headers = {}
    if isinstance(error, NotReadyError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthorizedError):
        note_refusal(event)
        headers["WWW-Authenticate"] = 'Basic realm="ecr-rescan", charset="UTF-8"'
    details = [{"field": fault.field, "problem": fault.problem} for fault in getattr(error, "faults", ())]
    return _error_response(status, code, _GENERIC.get(code, str(error)), details=details, headers=headers)


def note_refusal(event: APIGatewayProxyEvent) -> None:
    """Note that a request's token was refused, which bounds how often one address may try."""
    wiring.refusals().note(source_address(event), clock.now())


def _error_response(
    status: HTTPStatus,
    code: str,
    message: str,
    *,
    details: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[str]:
    body = {"error": {"code": code, "message": message, "details": details or []}}
    return json_response(status, body, headers=headers)


def _routed_path(event: Mapping[str, Any]) -> str:
    # ``path`` begins with the base path of a custom domain, where there is one; the resource never does.
    resource = event.get("resource")
    if not resource:
        return str(event["path"])
    parameters = event.get("pathParameters") or {}
    # The resource decides, as it decided who may call. A slash that came encoded in a parameter is part of it, and none
    # of ours has one: left as it is, an id such as "x%2Ftokens" would lead to another resource's route.
    return _PARAMETER.sub(lambda match: str(parameters.get(match[1]) or "%").replace("/", "%2F"), resource)


def _body(event: APIGatewayProxyEvent) -> bytes:
    body = event.body or ""
    if not event.is_base64_encoded:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("the body is not base64, although it is said to be") from error


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            # RFC 8259, section 4: what is meant by it nobody can know.
            raise InvalidRequestError(f"the body has {name[:64]!r} twice in one object")
        members[name] = value
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequestError(f"the body is not JSON: {name} is no value of it")


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _weight(accept: str, media_type: str) -> float:
    best = (-1, 0.0)
    for part in accept.split(","):
        media_range, *parameters = [piece.strip().lower() for piece in part.split(";")]
        if media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
            best = max(best, (2 - media_range.count("*"), _quality(parameters)))
    return best[1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
