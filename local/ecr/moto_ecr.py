"""Puts the faithful registry in place of moto's image operations, in the server or under ``mock_aws``.

moto keeps what it does well (policies, lifecycle rules, tags of repositories); whatever has to do with images and scans
is answered by ``local.ecr.registry``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore import xform_name
from moto.ecr.models import ECRBackend
from moto.ecr.responses import ECRResponse
from moto.moto_api._internal.models import MotoAPIBackend

from local.clock import Clock
from local.ecr.calls import CallLog
from local.ecr.errors import EcrError, repository_not_empty
from local.ecr.registry import Registry
from local.ecr.scanning import ScanRules
from local.faults import ECR_REFUSALS, Faults

# What moto takes from an operation: the body, and headers with the status among them.
Reply = tuple[str, dict[str, str | int]]


class FaithfulEcr:
    """moto's ECR, made faithful while installed.

    Args:
        clock: virtual time, for everything that ECR dates.
        rules: how scans behave.
        emit: takes every event that ECR or Inspector would send to EventBridge.
        faults: troubles on request, service ``ecr``; here its refusals, the delays are the server's.
        calls: where calls are recorded; by default the last 100,000.

    ``with FaithfulEcr(clock).installed() as ecr:`` inside ``mock_aws`` is all that a test needs.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        rules: ScanRules | None = None,
        emit: Callable[[dict[str, Any]], None] = lambda event: None,
        faults: Faults | None = None,
        calls: CallLog | None = None,
    ) -> None:
        self.calls = calls or CallLog()
        self._clock = clock
        self._rules = rules or ScanRules()
        self._emit = emit
        self._faults = faults or Faults()
        self._registries: dict[tuple[str, str], Registry] = {}

    def registry(self, account: str = "123456789012", region: str = "us-east-1") -> Registry:
        """The registry of an account in a Region; made when first asked for."""
        found = self._registries.get((account, region))
        if found is None:
            found = Registry(account, region, self._clock, rules=self._rules, emit=self._emit, calls=self.calls)
            # Two requests may be here at once: the first one to store its registry wins.
            found = self._registries.setdefault((account, region), found)
        return found

    def settle(self) -> None:
        """Complete all scans that are due, so that their events leave in time."""
        for registry in tuple(self._registries.values()):
            registry.settle()

    @contextmanager
    def installed(self) -> Iterator[FaithfulEcr]:
        """Patch moto for the length of a ``with``."""
        originals = self._patch()
        try:
            yield self
        finally:
            for owner, name, original in originals:
                if original is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)

    def _patch(self) -> list[tuple[type, str, Any]]:
        replacements: dict[tuple[type, str], Any] = {
            (ECRResponse, "create_repository"): self._after(ECRResponse.create_repository, self._created),
            (ECRResponse, "delete_repository"): self._delete_repository(ECRResponse.delete_repository),
            (ECRResponse, "put_image_scanning_configuration"): self._after(
                ECRResponse.put_image_scanning_configuration, self._scanning_changed
            ),
            (ECRResponse, "put_image_tag_mutability"): self._after(
                ECRResponse.put_image_tag_mutability, self._mutability_changed
            ),
            (ECRResponse, "put_registry_scanning_configuration"): self._after(
                ECRResponse.put_registry_scanning_configuration, self._registry_changed
            ),
            (ECRResponse, "get_registry_scanning_configuration"): self._before(
                ECRResponse.get_registry_scanning_configuration, "GetRegistryScanningConfiguration"
            ),
            (ECRBackend, "reset"): self._reset(ECRBackend.reset),
            (MotoAPIBackend, "set_ecr_scan_finding_result"): self._post(),
        }
        for operation in self.registry().operations:
            replacements[ECRResponse, xform_name(operation)] = self._operation(operation)
        originals = [(owner, name, vars(owner).get(name)) for owner, name in replacements]
        for (owner, name), replacement in replacements.items():
            setattr(owner, name, replacement)
        return originals

    def _operation(self, operation: str) -> Callable[[Any], Reply]:
        def answer(response: Any) -> Reply:
            try:
                result = self._of(response).call(operation, _params(response), self._refusal(operation))
            except EcrError as error:
                return _error(error)
            return _reply(200, result)

        return answer

    def _refusal(self, operation: str) -> EcrError | None:
        effects = {fault.effect for fault in self._faults.take("ecr", operation, ECR_REFUSALS)}
        if "refuse" in effects:
            return EcrError("AccessDeniedException", f"User is not authorized to perform: ecr:{operation}")
        if "throttle" in effects:
            return EcrError("ThrottlingException", "Rate exceeded")
        return EcrError("ServerException", "A server-side issue.") if effects else None

    def _of(self, response: Any) -> Registry:
        return self.registry(response.current_account, response.region)

    def _post(self) -> Any:
        def post(backend: Any, results: dict[str, Any], account_id: str, region: str) -> None:
            self.registry(account_id, region).post(results)

        return post

    def _after(self, original: Callable[[Any], Any], change: Callable[[Registry, dict[str, Any]], None]) -> Any:
        def answer(response: Any) -> Any:
            result = original(response)
            change(self._of(response), _params(response))
            return result

        return answer

    def _before(self, original: Callable[[Any], Any], operation: str) -> Any:
        def answer(response: Any) -> Any:
            if (refusal := self._refusal(operation)) is not None:
                return _error(refusal)
            return original(response)

        return answer

    def _delete_repository(self, original: Callable[[Any], Any]) -> Any:
        def answer(response: Any) -> Any:
            params, registry = _params(response), self._of(response)
            repository = registry.repositories.get(params["repositoryName"])
            if repository is not None and repository.images and not params.get("force"):
                return _error(repository_not_empty(repository.name, registry.account))
            result = original(response)
            registry.delete_repository(params["repositoryName"])
            return result

        return answer

    def _reset(self, original: Callable[[Any], None]) -> Any:
        def reset(backend: Any) -> None:
            original(backend)
            self._registries.pop((backend.account_id, backend.region_name), None)

        return reset

    @staticmethod
    def _created(registry: Registry, params: dict[str, Any]) -> None:
        scanning = params.get("imageScanningConfiguration") or {}
        registry.create_repository(
            params["repositoryName"],
            scan_on_push=scanning.get("scanOnPush", False),
            tag_mutability=params.get("imageTagMutability", "MUTABLE"),
        )

    @staticmethod
    def _scanning_changed(registry: Registry, params: dict[str, Any]) -> None:
        repository = registry.repositories[params["repositoryName"]]
        repository.scan_on_push = params["imageScanningConfiguration"].get("scanOnPush", False)

    @staticmethod
    def _mutability_changed(registry: Registry, params: dict[str, Any]) -> None:
        registry.repositories[params["repositoryName"]].tag_mutability = params["imageTagMutability"]

    @staticmethod
    def _registry_changed(registry: Registry, params: dict[str, Any]) -> None:
        rules = params.get("rules", [])
        found = [(rule["scanFrequency"], item["filter"]) for rule in rules for item in rule["repositoryFilters"]]
        on_push = [text for frequency, text in found if frequency == "SCAN_ON_PUSH"]
        registry.configure_scanning(params.get("scanType", "BASIC"), on_push, [text for _, text in found])


def _params(response: Any) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(response.body or "{}")
    return params


def _error(error: EcrError) -> Reply:
    # Not moto's own exceptions: those must be in ECR's model, and ThrottlingException is not.
    status = 500 if error.code == "ServerException" else 400
    return _reply(status, {"__type": error.code, "message": error.message})


def _reply(status: int, content: dict[str, Any]) -> Reply:
    headers: dict[str, str | int] = {"Content-Type": "application/x-amz-json-1.1", "status": status}
    return json.dumps(content, default=_instant), headers


def _instant(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} has no JSON form")
