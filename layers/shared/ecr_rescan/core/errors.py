"""Every error of the service.

::

    EcrRescanError
    ├── InvalidRequestError (ValueError)      a person's input; says which field and what is accepted
    │   ├── InvalidConfigurationError
    │   ├── TooManyTokensError
    │   └── QuotaExceededError (quota)
    ├── NotFoundError (subject)               nothing there under that id or name
    ├── ConflictError (key)                   somebody else wrote in between
    │   └── AlreadyExistsError
    ├── UnauthorizedError                     a missing or wrong token
    ├── NotReadyError (reason, retry_after)   nothing recorded yet
    ├── DocumentError (key)                   a stored document that can't be read
    │   └── UnknownSchemaError (schema)
    ├── StoreError (key)                      S3 failed
    ├── RegistryError (region, repository)    ECR or STS failed; for one image this is a value, not an error
    ├── MessageError (target)                 SQS or SNS failed
    ├── SignalError (source)                  a public source can't be reached, or says nonsense
    └── SettingsError (variable)              the deployment is incomplete

Expected troubles of one image are values (see ``scan_result``), never exceptions. HTTP numbers live in ``runtime.api``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EcrRescanError(Exception):
    """Base of every error that the service raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: the field's path (``ignore[2].until``) and what is accepted instead."""

    field: str
    problem: str


class InvalidRequestError(EcrRescanError, ValueError):
    """A person's input is wrong.

    Attributes:
        faults: everything that is wrong with it, in the order of the fields.
    """

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class InvalidConfigurationError(InvalidRequestError):
    """A scan configuration that can't be accepted."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.problem}" for fault in faults), faults)


class TooManyTokensError(InvalidRequestError):
    """A subject already has as many named tokens as it may."""


class QuotaExceededError(InvalidRequestError):
    """A deployment already has as much as it may of what ``quota`` names."""

    def __init__(self, quota: str, message: str) -> None:
        super().__init__(message)
        self.quota = quota


class NotFoundError(EcrRescanError):
    """Nothing is there under that id or name."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} was not found")
        self.subject = subject


class ConflictError(EcrRescanError):
    """A conditional write lost against another writer (S3's 412, 409, or 404 for a key that went away)."""

    def __init__(self, key: str, message: str | None = None) -> None:
        super().__init__(message or f"{key} was changed by somebody else")
        self.key = key


class AlreadyExistsError(ConflictError):
    """Something that was to be created is there already."""


class UnauthorizedError(EcrRescanError):
    """A missing or wrong token. Says nothing about which."""


class NotReadyError(EcrRescanError):
    """Nothing has been recorded yet that could be answered; ``retry_after`` is in seconds."""

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class DocumentError(EcrRescanError):
    """A stored document that can't be read as what its key says."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class UnknownSchemaError(DocumentError):
    """A document written by a version of the service that this one doesn't know. It is never overwritten."""

    def __init__(self, key: str, schema: object) -> None:
        super().__init__(key, f"schema {schema!r} is not known to this version")
        self.schema = schema


class StoreError(EcrRescanError):
    """S3 failed after its retries."""

    def __init__(self, key: str, code: str) -> None:
        super().__init__(f"S3 failed for {key}: {code}")
        self.key = key
        self.code = code


class RegistryError(EcrRescanError):
    """ECR or STS refused or failed for a whole registry, Region or repository.

    Attributes:
        refused: it was refused, and will probably be refused again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        region: str,
        registry: str,
        repository: str | None = None,
        refused: bool = False,
    ) -> None:
        where = "/".join(part for part in (registry, region, repository) if part)
        super().__init__(f"{where}: {code}: {message}")
        self.code = code
        self.message = message
        self.refused = refused
        self.region = region
        self.registry = registry
        self.repository = repository


class MessageError(EcrRescanError):
    """SQS or SNS failed after its retries."""

    def __init__(self, target: str, code: str) -> None:
        super().__init__(f"sending to {target} failed: {code}")
        self.target = target
        self.code = code


class SignalError(EcrRescanError):
    """A public source can't be read, or what it sent can't be used.

    Attributes:
        source: its short name, such as ``kev`` or ``debian``.
        problem: what is wrong, as the end of a sentence; nothing of what was sent but numbers.
        absent: it was reached, and there is no such thing.
    """

    def __init__(self, source: str, problem: str, *, absent: bool = False) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem
        self.absent = absent


class SettingsError(EcrRescanError):
    """An environment variable of the deployment is missing or malformed."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
