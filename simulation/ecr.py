"""A boto3 ECR client on the pure engine of the faithful registry, with small pages, troubles and a log of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ReadTimeoutError

from local.ecr.errors import EcrError
from local.ecr.registry import Registry
from simulation.gate import Died, Gate, Trouble

PAGE = 7
"""ECR may answer fewer items than asked for: so few show earlier whether all pages are read."""

_OPERATIONS = {
    xform_name(name): name
    for name in (
        "BatchGetImage",
        "DescribeImageScanFindings",
        "DescribeImages",
        "DescribeRepositories",
        "StartImageScan",
    )
}
_PAGED = frozenset({"DescribeImageScanFindings", "DescribeImages", "DescribeRepositories"})
_MEMBERS = SimpleNamespace(members={"filter": SimpleNamespace(members={"tagStatus": None, "imageStatus": None})})


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that the service sent; ``outcome``: ok, ECR's error, or the trouble; ``worker``: which invocation."""

    at: datetime
    operation: str
    registry: str
    repository: str
    digest: str
    outcome: str
    worker: int


class EcrClient:
    """A client with the permissions of ``account``, in one Region."""

    def __init__(
        self,
        gate: Gate,
        registry: Registry,
        log: Callable[[Sent], None],
        scan_type: Callable[[], str],
        *,
        page: int = PAGE,
        others: Mapping[str, Registry] | None = None,
        refuses: Callable[[str], bool] = lambda registry: False,
    ) -> None:
        """``others``: registries whose policy lets this account in. ``refuses``: whether a start is called invalid."""
        self._others = others or {}
        self._refuses = refuses
        self._gate = gate
        self._registry = registry
        self._log = log
        self._scan_type = scan_type
        self._page = page
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(operation_model=lambda name: SimpleNamespace(input_shape=_MEMBERS))
        )

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = _OPERATIONS[name]
        return lambda **parameters: self._call(operation, parameters)

    def get_registry_scanning_configuration(self) -> dict[str, Any]:
        """GetRegistryScanningConfiguration, which the engine leaves to moto."""
        answer = {"scanningConfiguration": {"scanType": self._scan_type(), "rules": []}}
        return self._through("GetRegistryScanningConfiguration", {}, self._registry, lambda: answer)

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        registry = self._others.get(parameters.get("registryId", ""), self._registry)
        of_repositories = registry is self._registry or "repositoryName" in parameters
        if parameters.get("registryId", registry.account) != registry.account or not of_repositories:
            raise _error(operation, "AccessDeniedException", "not authorized", 400)
        if operation in _PAGED:
            parameters = parameters | {"maxResults": min(parameters.get("maxResults", 100), self._page)}
        refusal = None
        if operation == "StartImageScan" and self._refuses(registry.account):
            refusal = EcrError("ValidationException", "This feature is disabled")
        return self._through(operation, parameters, registry, lambda: registry.call(operation, parameters, refusal))

    def _through(
        self, operation: str, parameters: dict[str, Any], registry: Registry, do: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        repository = parameters.get("repositoryName", "")
        digest = (parameters.get("imageId") or {}).get("imageDigest", "")
        outcome = "died"
        try:
            trouble = self._gate.enter("ecr", operation, registry.account, repository, digest)
            outcome = "ok"
            if trouble is not None and not trouble.done:
                outcome = trouble.kind
                raise _trouble(operation, trouble)
            try:
                answer = do()
            except EcrError as error:
                outcome = error.code
                raise _error(operation, error.code, error.message, 400) from error
            if trouble is not None:
                outcome = f"{trouble.kind}, done"
                raise _trouble(operation, trouble)
            return answer
        except Died:
            outcome = "died"
            raise
        finally:
            self._gate.answer(outcome)
            self._log(
                Sent(
                    self._gate.clock.now(),
                    operation,
                    registry.account,
                    repository,
                    digest,
                    outcome,
                    self._gate.worker.number if self._gate.worker else 0,
                )
            )


class SilentClient:
    """A client of a Region that does not answer within the read timeout of ``scan_wiring``, 10 seconds."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.meta = SimpleNamespace(
            service_model=SimpleNamespace(operation_model=lambda name: SimpleNamespace(input_shape=_MEMBERS))
        )

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**_: object) -> dict[str, Any]:
            self._gate.enter("ecr", name, "silent")
            if self._gate.turns is not None:
                self._gate.turns.sleep(10)
            raise _lost()

        return call


def _trouble(operation: str, trouble: Trouble) -> Exception:
    if trouble.kind == "throttle":
        return _error(operation, "ThrottlingException", "Rate exceeded", 400)
    if trouble.kind == "denied":
        return _error(operation, "AccessDeniedException", "not authorized", 400)
    if trouble.kind == "error":
        return _error(operation, "ServerException", "internal", 500)
    return _lost()


def _lost() -> Exception:
    lost: Exception = ReadTimeoutError(endpoint_url="https://api.ecr.example")
    return lost


def _error(operation: str, code: str, message: str, status: int) -> Exception:
    error: Exception = ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )
    return error
