"""Amazon ECR: lists repositories and images, resolves indexes, starts scans and reads their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ecr_rescan.adapters.backoff import CallFailedError, PatientClient
from ecr_rescan.core.errors import RegistryError
from ecr_rescan.core.scan_result import (
    NoResult,
    NoResultReason,
    ScanResult,
    ScanType,
    SkippedScan,
    SkipReason,
    StartedScan,
)
from ecr_rescan.core.scanning.artifacts import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES
from ecr_rescan.core.scanning.index_manifest import IndexManifest, read_index
from ecr_rescan.core.scanning.normalise import MAX_DETAIL, MAX_NAME, bounded, scan_result
from ecr_rescan.core.times import whole_seconds

PAGE_SIZE = 1000
"""The largest page of every listing (ECR API reference, maxResults)."""
IMAGES_PER_BATCH = 100
"""The most images of one BatchGetImage (ECR API reference, imageIds)."""
LONG_AGO = datetime.fromtimestamp(0, UTC)

_NO_RESULT = {
    "ScanNotFoundException": NoResultReason.NEVER_SCANNED,
    "ImageNotFoundException": NoResultReason.NOT_FOUND,
    "RepositoryNotFoundException": NoResultReason.REPOSITORY_NOT_FOUND,
    "ImageArchivedException": NoResultReason.ARCHIVED,
    "UnsupportedImageTypeException": NoResultReason.UNSUPPORTED,
}
_SKIPPED = {
    "LimitExceededException": SkipReason.LIMIT_EXCEEDED,
    "UnsupportedImageTypeException": SkipReason.UNSUPPORTED,
    "ImageArchivedException": SkipReason.ARCHIVED,
    "ImageNotFoundException": SkipReason.NOT_FOUND,
    "RepositoryNotFoundException": SkipReason.REPOSITORY_NOT_FOUND,
    # "This feature is disabled": the registry is scanned by Inspector, which takes no manual starts.
    "ValidationException": SkipReason.ENHANCED,
}


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """One image of a repository, a row of DescribeImages.

    ``pushed_at`` is ``LONG_AGO`` where ECR doesn't say. Types are "" likewise. ``archived``: in the archive storage
    class, or on its way back. ``subject``: what a signature or an SBOM belongs to.
    """

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    media_type: str
    artifact_type: str
    archived: bool
    subject: str | None


@dataclass(frozen=True, slots=True)
class IndexChildren:
    """The scannable images behind an index, digest → platform; None with the reason where it couldn't be resolved."""

    children: Mapping[str, str | None] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scanning:
    """How a registry is scanned; ``filters``: those of all its rules, which choose the repositories."""

    scan_type: ScanType
    filters: tuple[str, ...]


class Registry:
    """One registry in one Region.

    Trouble with one image is a value; trouble with a listing is a RegistryError, so that an incomplete listing is never
    taken for a complete one. Safe to use from several threads.
    """

    def __init__(self, clients: Callable[[], Iterable[PatientClient]], *, registry: str, region: str) -> None:
        """Ask with the first client, and with the next one what that one's role is not permitted.

        Args:
            clients: gives them in their order, at each call and only as far as they are needed.
            registry: the account whose images are meant; sent with every call that takes it.
            region: for errors.
        """
        self._clients = clients
        self._registry = registry
        self._region = region

    def may_ask(self) -> bool:
        """Whether there is time for a call, and anybody to answer it."""
        return any(client.may_ask() for client in self._clients())

    def repositories(self) -> list[str]:
        """The names of all repositories, sorted.

        Raises:
            RegistryError: a page could not be read.
        """
        try:
            pages = self._pages("DescribeRepositories")
            names = {row["repositoryName"] for row in _rows(pages, "repositories") if row.get("repositoryName")}
        except CallFailedError as error:
            raise self._error(error) from error
        return sorted(names)

    def images(self, repository: str) -> list[ImageDetail]:
        """All images of a repository, untagged and archived ones too, in ECR's order.

        Raises:
            RegistryError: a page could not be read; RepositoryNotFoundException among its codes.
        """
        try:
            pages = self._pages("DescribeImages", repositoryName=repository, filter=self._everything())
            return [_image_detail(row) for row in _rows(pages, "imageDetails") if row.get("imageDigest")]
        except CallFailedError as error:
            raise self._error(error, repository) from error

    def children(self, repository: str, digests: Iterable[str]) -> dict[str, IndexChildren]:
        """Resolve indexes to the images that can be scanned in their place.

        An index inside an index is resolved as well, one level deep. BatchGetImage counts as a pull in lifecycle
        rules: ask once per index, whose children never change.
        """
        wanted = list(dict.fromkeys(digests))
        manifests = self._indexes(repository, wanted)
        inner = {digest for found in manifests.values() if isinstance(found, IndexManifest) for digest in found.indexes}
        nested = self._indexes(repository, sorted(inner - manifests.keys()))
        return {digest: _resolved(manifests[digest], manifests | nested) for digest in wanted}

    def findings(self, repository: str, digest: str, *, scan_type: ScanType | None = None) -> ScanResult | NoResult:
        """The newest result of an image, all pages of it; never a part.

        ``scan_type`` is the registry's, where it is known.
        """
        try:
            pages = list(
                self._pages("DescribeImageScanFindings", repositoryName=repository, imageId={"imageDigest": digest})
            )
        except CallFailedError as error:
            reason = _NO_RESULT.get(error.code, NoResultReason.UNAVAILABLE)
            known = error.code in _NO_RESULT
            return NoResult(digest, reason, _detail(error, known=known), refused=error.refused and not known)
        return scan_result(digest, pages, scan_type=scan_type)

    def start(self, repository: str, digest: str) -> StartedScan | SkippedScan:
        """Start a scan of an image.

        What got no reply is not sent again: ECR may have accepted it, and the image's one scan of the day is then
        spent. Such a start is UNAVAILABLE, with "maybe started" in its detail.
        """
        try:
            self._call(
                "StartImageScan",
                resend_lost=False,
                registryId=self._registry,
                repositoryName=repository,
                imageId={"imageDigest": digest},
            )
        except CallFailedError as error:
            reason = _SKIPPED.get(error.code, SkipReason.UNAVAILABLE)
            # After a server error the refusal may be of our own, accepted start: it says nothing of the quota.
            if error.maybe_done and reason in (SkipReason.UNAVAILABLE, SkipReason.LIMIT_EXCEEDED):
                detail = f"maybe started: {_detail(error, known=False)}"
                return SkippedScan(digest, SkipReason.UNAVAILABLE, detail, maybe_started=True)
            known = error.code in _SKIPPED
            return SkippedScan(digest, reason, _detail(error, known=known), refused=error.refused and not known)
        return StartedScan(digest)

    def scan_type(self) -> ScanType | None:
        """The scan type of ``scanning``."""
        found = self.scanning()
        return found.scan_type if found is not None else None

    def scanning(self) -> Scanning | None:
        """How the registry is scanned; None where ECR can't be asked (another account's registry) or names no type.

        Raises:
            RegistryError: ECR refused.
        """
        if not any(client.own for client in self._clients()):
            return None
        try:
            reply = self._call("GetRegistryScanningConfiguration", of_own=True)
        except CallFailedError as error:
            raise self._error(error) from error
        configuration = reply.get("scanningConfiguration") or {}
        name = configuration.get("scanType")
        if name not in set(ScanType):
            return None
        filters = {
            bounded(item.get("filter"), MAX_NAME)
            for rule in _rows([configuration], "rules")
            for item in _rows([rule], "repositoryFilters")
        }
        return Scanning(ScanType(name), tuple(sorted(filters - {""})))

    def _call(self, operation: str, *, of_own: bool = False, **parameters: Any) -> dict[str, Any]:
        about = (operation, parameters.get("repositoryName", ""))
        denied: CallFailedError | None = None
        for client in self._in_turn(about):
            if of_own and not client.own:
                continue
            try:
                return client.call(operation, **parameters)
            except CallFailedError as error:
                if not error.is_denied:
                    raise
                client.denied.add(about)
                denied = error
        raise denied or CallFailedError("NoRole", "no role can be used", maybe_done=False, refused=True)

    def _in_turn(self, about: tuple[str, str]) -> Iterator[PatientClient]:
        """The clients to try, in order; where all were denied it before, the first of them once more."""
        denied = []
        for client in self._clients():
            if about in client.denied:
                denied.append(client)
            else:
                yield client
        yield from denied[:1]

    def _pages(self, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        tokens: set[str] = set()
        page: dict[str, Any] = {}
        while True:
            page = self._call(operation, registryId=self._registry, maxResults=PAGE_SIZE, **parameters, **_next(page))
            yield page
            token = page.get("nextToken")
            if not token:
                return
            if token in tokens:
                raise CallFailedError("RepeatedToken", "ECR sent the same nextToken twice", maybe_done=False)
            tokens.add(token)

    def _everything(self) -> dict[str, str]:
        # Without it archived images are left out, and would look deleted. An older botocore refuses to send it.
        client = next(iter(self._clients())).client
        members = client.meta.service_model.operation_model("DescribeImages").input_shape.members
        wanted = {"tagStatus": "ANY", "imageStatus": "ANY"}
        return {name: value for name, value in wanted.items() if name in members["filter"].members}

    def _indexes(self, repository: str, digests: Iterable[str]) -> dict[str, IndexManifest | str]:
        """The manifest of each index, or why there is none."""
        found: dict[str, IndexManifest | str] = {}
        asked = list(digests)
        for start in range(0, len(asked), IMAGES_PER_BATCH):
            batch = asked[start : start + IMAGES_PER_BATCH]
            try:
                reply = self._call(
                    "BatchGetImage",
                    registryId=self._registry,
                    repositoryName=repository,
                    imageIds=[{"imageDigest": digest} for digest in batch],
                    acceptedMediaTypes=sorted(INDEX_MEDIA_TYPES | MANIFEST_MEDIA_TYPES),
                )
            except CallFailedError as error:
                found |= dict.fromkeys(batch, str(error))
                continue
            found |= dict.fromkeys(batch, "ECR returned no manifest")
            for failure in _rows([reply], "failures"):
                reason = f"{failure.get('failureCode', 'failed')}: {failure.get('failureReason', '')}"
                found[failure.get("imageId", {}).get("imageDigest", "")] = bounded(reason, MAX_DETAIL)
            for image in _rows([reply], "images"):
                index = read_index(image.get("imageManifest"))
                found[image.get("imageId", {}).get("imageDigest", "")] = index or "its manifest is no image index"
        return found

    def _error(self, error: CallFailedError, repository: str | None = None) -> RegistryError:
        return RegistryError(
            error.code,
            error.message,
            region=self._region,
            registry=self._registry,
            repository=repository,
            refused=error.refused,
        )


def _resolved(index: IndexManifest | str, known: Mapping[str, IndexManifest | str]) -> IndexChildren:
    if isinstance(index, str):
        return IndexChildren(None, index)
    children: dict[str, str | None] = {}
    for digest in index.indexes:
        nested = known[digest]
        if isinstance(nested, str):
            return IndexChildren(None, f"the index {digest} inside it: {nested}")
        children.update(nested.images)
    # What the index itself says of an image goes before what an index inside it says.
    return IndexChildren({**children, **index.images})


def _image_detail(row: Mapping[str, Any]) -> ImageDetail:
    pushed_at = row.get("imagePushedAt")
    return ImageDetail(
        digest=row["imageDigest"],
        tags=tuple(sorted(set(row.get("imageTags") or ()))),
        pushed_at=whole_seconds(pushed_at) if pushed_at else LONG_AGO,
        media_type=row.get("imageManifestMediaType") or "",
        artifact_type=row.get("artifactMediaType") or "",
        archived=row.get("imageStatus") in ("ARCHIVED", "ACTIVATING"),
        subject=row.get("subjectManifestDigest") or None,
    )


def _rows(pages: Iterable[Mapping[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    # ECR has been seen to send None in its lists.
    return (row for page in pages for row in page.get(name) or () if row is not None)


def _next(page: Mapping[str, Any]) -> dict[str, Any]:
    return {"nextToken": page["nextToken"]} if page.get("nextToken") else {}


def _detail(error: CallFailedError, *, known: bool) -> str:
    return error.message if known else str(error)
