"""One account's registry in one Region: ECR's image operations as the ECR API Reference describes them."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from local.clock import Clock
from local.ecr.calls import Call, CallLog
from local.ecr.errors import EcrError, image_not_found, invalid_parameter, repository_not_found, scan_not_found
from local.ecr.images import INDEX_TYPES, Image, Manifest, Repository
from local.ecr.notices import Arrival, EventWriter
from local.ecr.pages import findings_page, page
from local.ecr.scanning import ENHANCED, Scanner, ScanRules, matches_filter

Params = dict[str, Any]
Answer = dict[str, Any]


class Registry:
    """The registry of ``account`` in ``region``; ``call`` is its one entrance, safe for threads.

    Args:
        clock: virtual time.
        emit: takes each event that ECR would send to EventBridge, in order.
        calls: where every call is recorded.
    """

    def __init__(
        self,
        account: str,
        region: str,
        clock: Clock,
        *,
        rules: ScanRules,
        emit: Callable[[dict[str, Any]], None],
        calls: CallLog,
    ) -> None:
        self.account = account
        self.region = region
        self.repositories: dict[str, Repository] = {}
        self.push_filters: list[str] = []
        self.scan_filters: list[str] = []
        self._clock = clock
        self._emit = emit
        self._calls = calls
        self._events = EventWriter(account, region)
        self._scanner = Scanner(account, rules, self._events, emit)
        self._lock = threading.RLock()
        self._operations: dict[str, Callable[[Params, datetime], Answer]] = {
            "BatchDeleteImage": self._batch_delete_image,
            "BatchGetImage": self._batch_get_image,
            "DescribeImageScanFindings": self._describe_image_scan_findings,
            "DescribeImages": self._describe_images,
            "DescribeRepositories": self._describe_repositories,
            "GetAccountSetting": self._get_account_setting,
            "ListImages": self._list_images,
            "PutImage": self._put_image,
            "StartImageScan": self._start_image_scan,
            "UpdateImageStorageClass": self._update_image_storage_class,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The operations that ``call`` knows, by ECR's names."""
        return frozenset(self._operations)

    def call(self, operation: str, params: Params, refusal: EcrError | None = None) -> Answer:
        """Answer an operation with the members of its response (instants as datetimes), or raise EcrError.

        ``refusal`` is an error to answer with, whatever is asked: trouble on request, recorded like any call.
        """
        with self._lock:
            now = self._clock.now()
            self._scanner.settle(now)
            outcome = "ok"
            digest = (params.get("imageId") or {}).get("imageDigest")
            try:
                if refusal is not None:
                    raise refusal
                if params.get("registryId", self.account) != self.account:
                    raise repository_not_found(params.get("repositoryName", ""), params["registryId"])
                answer = self._operations[operation](params, now)
                digest = digest or (answer.get("imageId") or {}).get("imageDigest")
            except EcrError as error:
                outcome = error.code
                raise
            finally:
                self._calls.add(
                    Call(now, operation, params.get("repositoryName"), digest, outcome, self.region, self.account)
                )
            return answer

    def settle(self) -> None:
        """Complete the scans that are due and send their events."""
        with self._lock:
            self._scanner.settle(self._clock.now())

    def post(self, result: dict[str, Any]) -> None:
        """Take a result for the next scan of an image (moto's own findings API)."""
        with self._lock:
            now = self._clock.now()
            self._scanner.settle(now)
            observed = {name: one for name, one in self.repositories.items() if self._is_let_through(one)}
            self._scanner.post(result, observed, now)

    def create_repository(self, name: str, *, scan_on_push: bool = False, tag_mutability: str = "MUTABLE") -> None:
        """Add an empty repository."""
        with self._lock:
            self.repositories[name] = Repository(name, self._clock.now(), scan_on_push, tag_mutability)

    def delete_repository(self, name: str) -> None:
        """Remove a repository and its images. No event is documented for them, so none is sent."""
        with self._lock:
            del self.repositories[name]

    def configure_scanning(self, scan_type: str, push_filters: list[str], scan_filters: Sequence[str] = ()) -> None:
        """Set the scan type, and by filters which repositories are scanned: on push, or at all (enhanced)."""
        with self._lock:
            self._scanner.settle(self._clock.now())
            self._scanner.scan_type = scan_type
            self.push_filters, self.scan_filters = push_filters, list(scan_filters)

    def _repository(self, params: Params) -> Repository:
        try:
            return self.repositories[params["repositoryName"]]
        except KeyError:
            raise repository_not_found(params.get("repositoryName", ""), self.account) from None

    def _image(self, params: Params) -> tuple[Repository, Image, str | None]:
        repository = self._repository(params)
        image_id = params.get("imageId") or {}
        digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
        if digest is None and tag is None:
            raise invalid_parameter("imageId", "must have a digest or a tag")
        image = repository.find(digest, tag)
        if image is None:
            raise image_not_found(digest, tag, repository.name, self.account)
        return repository, image, tag

    def _about(self, repository: Repository, image: Image, tag: str | None) -> Answer:
        tag = tag or (image.tags[0] if image.tags else None)
        image_id = {"imageDigest": image.digest} | ({"imageTag": tag} if tag else {})
        return {"registryId": self.account, "repositoryName": repository.name, "imageId": image_id}

    def _scans_on_push(self, repository: Repository) -> bool:
        return repository.scan_on_push or any(matches_filter(repository.name, text) for text in self.push_filters)

    def _is_let_through(self, repository: Repository) -> bool:
        """Whether enhanced scanning is on for it; without filters it is for all."""
        return not self.scan_filters or any(matches_filter(repository.name, text) for text in self.scan_filters)

    def _put_image(self, params: Params, now: datetime) -> Answer:
        repository, tag = self._repository(params), params.get("imageTag")
        manifest = Manifest.read(params["imageManifest"], params.get("imageManifestMediaType"))
        if params.get("imageDigest", manifest.digest) != manifest.digest:
            raise EcrError(
                "ImageDigestDoesNotMatchException", "The provided digest is not the digest of the image manifest."
            )
        if missing := [child for child in manifest.children if child not in repository.images]:
            raise EcrError("ReferencedImagesNotFoundException", f"The referenced images {missing} could not be found.")
        image = repository.images.get(manifest.digest)
        if image is not None and (tag is None or tag in image.tags):
            raise EcrError(
                "ImageAlreadyExistsException",
                f"Image with digest '{manifest.digest}' and tag '{tag}' already exists in the repository with name "
                f"'{repository.name}' in registry with id '{self.account}'",
            )
        if tag in repository.tags and repository.tag_mutability.startswith("IMMUTABLE"):
            raise EcrError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten "
                "because the repository is immutable.",
            )
        image = self._store(repository, manifest, tag, now)
        self._emit(self._events.action("PUSH", repository.name, image, tag, now))
        self._look_at(repository, image, now)
        about = self._about(repository, image, tag)
        return {"image": about | {"imageManifest": manifest.text, "imageManifestMediaType": manifest.media_type}}

    def receive(self, arrival: Arrival) -> str:
        """Take an image that comes without a push; its digest. Its repository is created where it is needed."""
        with self._lock:
            now = self._clock.now()
            self._scanner.settle(now)
            if arrival.repository not in self.repositories:
                self.create_repository(arrival.repository, scan_on_push=arrival.scan_on_push)
            repository = self.repositories[arrival.repository]
            image = self._store(repository, Manifest.read(arrival.manifest, None), arrival.tag, now)
            self._emit(self._events.arrival(arrival, image, now))
            self._look_at(repository, image, now)
            return image.digest

    def _store(self, repository: Repository, manifest: Manifest, tag: str | None, now: datetime) -> Image:
        image = repository.images.setdefault(manifest.digest, Image(manifest, now))
        if tag is not None and tag not in image.tags:
            if (before := repository.tags.get(tag)) is not None:
                repository.images[before].tags.remove(tag)
            repository.tags[tag] = image.digest
            image.tags.append(tag)
        return image

    def _look_at(self, repository: Repository, image: Image, now: datetime) -> None:
        """Scan what arrived, where that is set."""
        if self._scans_on_push(repository):
            # A push never fails because of its scan: an index, or a digest scanned today, is passed over silently.
            with contextlib.suppress(EcrError):
                self._scanner.start(repository, image, now)
        if self._scanner.scan_type == ENHANCED and self._is_let_through(repository):
            self._scanner.observe(repository, image, now)

    def _describe_repositories(self, params: Params, now: datetime) -> Answer:
        names = params.get("repositoryNames")
        if names:
            if "maxResults" in params or "nextToken" in params:
                raise invalid_parameter("repositoryNames", "may not be combined with maxResults or nextToken")
            shown = [self._repository({"repositoryName": name}) for name in names]
            return {"repositories": [self._repository_row(repository) for repository in shown]}
        every = sorted(self.repositories.values(), key=lambda repository: repository.name)
        some, token = page(every, lambda repository: repository.name, params, "DescribeRepositories", self.account)
        return {"repositories": [self._repository_row(repository) for repository in some]} | _next(token)

    def _repository_row(self, repository: Repository) -> Answer:
        return {
            "repositoryArn": f"arn:aws:ecr:{self.region}:{self.account}:repository/{repository.name}",
            "registryId": self.account,
            "repositoryName": repository.name,
            "repositoryUri": f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{repository.name}",
            "createdAt": repository.created_at,
            "imageTagMutability": repository.tag_mutability,
            "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }

    def _filtered(self, repository: Repository, params: Params) -> list[Image]:
        wanted = params.get("filter") or {}
        tag_status, image_status = wanted.get("tagStatus", "ANY"), wanted.get("imageStatus", "ACTIVE")
        return [
            image
            for _, image in sorted(repository.images.items())
            if (tag_status == "ANY" or (tag_status == "TAGGED") == bool(image.tags))
            and image_status in ("ANY", image.status)
        ]

    def _describe_images(self, params: Params, now: datetime) -> Answer:
        repository, image_ids = self._repository(params), params.get("imageIds")
        if image_ids:
            if "maxResults" in params or "nextToken" in params:
                raise invalid_parameter("imageIds", "may not be combined with maxResults or nextToken")
            asked = [self._image(params | {"imageId": image_id})[1] for image_id in image_ids]
            unique = {image.digest: image for image in asked}
            return {"imageDetails": [self._image_row(repository, image) for image in unique.values()]}
        scope = ("DescribeImages", repository.name, str(params.get("filter")))
        some, token = page(self._filtered(repository, params), lambda image: image.digest, params, *scope)
        return {"imageDetails": [self._image_row(repository, image) for image in some]} | _next(token)

    def _image_row(self, repository: Repository, image: Image) -> Answer:
        # imageScanStatus and imageScanFindingsSummary stay away: current basic scanning does not fill them.
        size = max(
            (repository.images[child].manifest.size for child in image.manifest.children if child in repository.images),
            default=0,
        )
        row = {
            "registryId": self.account,
            "repositoryName": repository.name,
            "imageDigest": image.digest,
            "imageTags": list(image.tags) or None,
            "imageSizeInBytes": size or image.manifest.size,
            "imagePushedAt": image.pushed_at,
            "imageManifestMediaType": image.manifest.media_type,
            "artifactMediaType": image.manifest.artifact_media_type,
            "subjectManifestDigest": image.manifest.subject,
            "imageStatus": image.status,
            "lastArchivedAt": image.archived_at,
            "lastActivatedAt": image.activated_at,
            "lastRecordedPullTime": image.pulled_at,
        }
        return {name: value for name, value in row.items() if value is not None}

    def _list_images(self, params: Params, now: datetime) -> Answer:
        repository = self._repository(params)
        rows = [
            {"imageDigest": image.digest} | ({"imageTag": tag} if tag else {})
            for image in self._filtered(repository, params)
            for tag in (sorted(image.tags) or [""])
        ]
        scope = ("ListImages", repository.name, str(params.get("filter")))
        some, token = page(rows, lambda row: f"{row['imageDigest']} {row.get('imageTag', '')}", params, *scope)
        return {"imageIds": list(some)} | _next(token)

    def _batch_get_image(self, params: Params, now: datetime) -> Answer:
        repository = self._repository(params)
        accepted = params.get("acceptedMediaTypes") or []
        images: list[Answer] = []
        failures: list[Answer] = []
        for image_id in params["imageIds"]:
            digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
            image, failure = self._resolve(repository, digest, tag)
            if image is not None and digest is None and image.manifest.media_type in INDEX_TYPES - set(accepted):
                # By tag ECR would have to translate an index for a client that does not know them; it does not.
                image, failure = None, ("ImageNotFound", "Requested image not found")
            if image is not None and image.status != "ACTIVE":
                image, failure = None, ("ImageInaccessible", "The image is archived")
            if image is None:
                failures.append({"imageId": image_id, "failureCode": failure[0], "failureReason": failure[1]})
                continue
            image.pulled_at = now
            manifest = {"imageManifest": image.manifest.text, "imageManifestMediaType": image.manifest.media_type}
            images.append(self._about(repository, image, tag) | manifest)
        return {"images": images, "failures": failures}

    @staticmethod
    def _resolve(repository: Repository, digest: str | None, tag: str | None) -> tuple[Image | None, tuple[str, str]]:
        if digest is None and tag is None:
            return None, ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
        if digest is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            return None, ("InvalidImageDigest", "Invalid request parameters: image digest should satisfy the regex")
        if (image := repository.find(digest, tag)) is not None:
            return image, ("", "")
        if digest in repository.images and tag in repository.tags:
            return None, ("ImageTagDoesNotMatchDigest", "Tag does not match digest")
        return None, ("ImageNotFound", "Requested image not found")

    def _batch_delete_image(self, params: Params, now: datetime) -> Answer:
        repository = self._repository(params)
        gone: list[Answer] = []
        failures: list[Answer] = []
        for image_id in params["imageIds"]:
            digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
            image, failure = self._resolve(repository, digest, tag)
            if image is not None and (tag is None or image.tags == [tag]) and self._is_referenced(repository, image):
                image, failure = None, ("ImageReferencedByManifestList", "Requested image referenced by manifest list")
            if image is None:
                failures.append({"imageId": image_id, "failureCode": failure[0], "failureReason": failure[1]})
                continue
            # By digest, or with its last tag, the image goes; otherwise only the tag does.
            tags = [tag] if tag is not None else list(image.tags)
            for name in tags:
                image.tags.remove(name)
                del repository.tags[name]
            if not image.tags:
                del repository.images[image.digest]
            for name in tags or [None]:
                gone.append({"imageDigest": image.digest} | ({"imageTag": name} if name else {}))
                self._emit(self._events.action("DELETE", repository.name, image, name, now))
        return {"imageIds": gone, "failures": failures}

    @staticmethod
    def _is_referenced(repository: Repository, image: Image) -> bool:
        return any(image.digest in other.manifest.children for other in repository.images.values())

    def _update_image_storage_class(self, params: Params, now: datetime) -> Answer:
        repository, image, tag = self._image(params)
        if params["targetStorageClass"] == "ARCHIVE":
            image.status, image.archived_at = "ARCHIVED", now
        else:
            image.status, image.activated_at = "ACTIVE", now
        self._emit(self._events.storage_class(repository.name, image, params["targetStorageClass"], now))
        return self._about(repository, image, tag) | {"imageStatus": image.status}

    def _get_account_setting(self, params: Params, now: datetime) -> Answer:
        values = {"BASIC_SCAN_TYPE_VERSION": "AWS_NATIVE", "REGISTRY_POLICY_SCOPE": "V2", "BLOB_MOUNTING": "DISABLED"}
        if params.get("name") not in values:
            raise EcrError("ValidationException", f"Unknown account setting '{params.get('name')}'")
        return {"name": params["name"], "value": values[params["name"]]}

    def _start_image_scan(self, params: Params, now: datetime) -> Answer:
        repository, image, tag = self._image(params)
        self._scanner.start(repository, image, now)
        return self._about(repository, image, tag) | {"imageScanStatus": {"status": "PENDING"}}

    def _describe_image_scan_findings(self, params: Params, now: datetime) -> Answer:
        repository, image, tag = self._image(params)
        scan = self._scanner.scan_of(image)
        if scan is None:
            raise scan_not_found(image.digest, tag, repository.name, self.account)
        answer = self._about(repository, image, tag)
        if image.status != "ACTIVE":
            return answer | {"imageScanStatus": {"status": "IMAGE_ARCHIVED", "description": "The image is archived."}}
        status, description = self._scanner.status(scan, now)
        answer["imageScanStatus"] = {"status": status} | ({"description": description} if description else {})
        # While a scan runs, the findings of the one before it are still shown, under the new status.
        if scan.result is None or not scan.result.has_findings:
            return answer
        return answer | findings_page(scan.result, params, repository.name, image.digest)


def _next(token: str | None) -> Answer:
    return {"nextToken": token} if token else {}
