"""Images of the faithful ECR: digests, tags, pages, filters, manifests, deletion, and the events of all that."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.ecr.errors import EcrError
from local.ecr.pages import page
from local.samples.images import chart, image, multi_platform


def test_a_digest_is_the_hash_of_the_manifest(world):
    """So that manifests without layers don't share one."""
    digests = {world.put(part) for part in multi_platform("app", "1")}
    assert len(digests) == 4
    pushed = image("a", "2")
    assert world.put(pushed) == "sha256:" + hashlib.sha256(pushed.manifest.encode()).hexdigest()


def test_a_moved_tag_leaves_the_old_image_untagged(world):
    """It stays, and can be described and scanned by digest."""
    old, new = world.push("a", "1"), world.push("b", "1")
    rows = {row["imageDigest"]: row for row in world.client.describe_images(repositoryName="team/app")["imageDetails"]}
    assert rows[new]["imageTags"] == ["1"]
    assert "imageTags" not in rows[old]
    world.start(old)


def test_describe_images_has_one_row_a_digest_and_no_summary(world):
    """Current basic scanning fills neither imageScanStatus nor imageScanFindingsSummary."""
    digest = world.push("a", "1")
    world.push("a", "2")
    world.scan(digest)
    (row,) = world.client.describe_images(repositoryName="team/app")["imageDetails"]
    assert sorted(row["imageTags"]) == ["1", "2"]
    assert not {"imageScanStatus", "imageScanFindingsSummary"} & row.keys()
    assert row["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert row["artifactMediaType"] == "application/vnd.docker.container.image.v1+json"
    assert row["imagePushedAt"] == world.clock.now() - timedelta(minutes=5)


def test_images_are_filtered_by_tag_status_and_storage_class(world):
    """Archived images are left out unless asked for; both listings filter alike."""
    tagged, untagged, archived = world.push("a", "1"), world.push("b"), world.push("c", "3")
    world.client.update_image_storage_class(
        repositoryName="team/app", imageId={"imageDigest": archived}, targetStorageClass="ARCHIVE"
    )

    def digests(**wanted: str) -> set[str]:
        listed = world.client.list_images(repositoryName="team/app", filter=wanted)["imageIds"]
        described = world.client.describe_images(repositoryName="team/app", filter=wanted)["imageDetails"]
        found = {row["imageDigest"] for row in described}
        assert {row["imageDigest"] for row in listed} == found
        return found

    assert digests() == {tagged, untagged}
    assert digests(tagStatus="TAGGED") == {tagged}
    assert digests(tagStatus="UNTAGGED") == {untagged}
    assert digests(imageStatus="ARCHIVED") == {archived}
    assert digests(imageStatus="ANY", tagStatus="TAGGED") == {tagged, archived}


def test_image_ids_are_looked_up_and_one_unknown_fails_all(world, error_of):
    """By tag, by digest, both; they can't be combined with pages."""
    digest = world.push("a", "1")
    describe = world.client.describe_images
    ids = [{"imageTag": "1"}, {"imageDigest": digest}, {"imageTag": "1", "imageDigest": digest}]
    assert len(describe(repositoryName="team/app", imageIds=ids)["imageDetails"]) == 1
    code, message = error_of(lambda: describe(repositoryName="team/app", imageIds=[*ids, {"imageTag": "2"}]))
    assert code == "ImageNotFoundException"
    assert "{imageDigest:'null', imageTag:'2'}" in message
    assert (
        error_of(lambda: describe(repositoryName="team/app", imageIds=ids, maxResults=5))[0]
        == "InvalidParameterException"
    )


def test_unknown_repositories_and_registries_are_named(world, error_of):
    """With the registry that was asked."""
    code, message = error_of(lambda: world.client.list_images(repositoryName="team/none"))
    assert (code, message) == (
        "RepositoryNotFoundException",
        "The repository with name 'team/none' does not exist in the registry with id '123456789012'",
    )
    elsewhere = error_of(lambda: world.client.describe_images(repositoryName="team/app", registryId="999999999999"))
    assert "'999999999999'" in elsewhere[1]


def test_every_listing_is_paged_by_a_hundred(world):
    """Repositories, images, tags and findings; the paginators of botocore get all of it."""
    for number in range(130):
        world.client.create_repository(repositoryName=f"many/{number:03d}")
        world.push(f"image {number}", f"t{number}")
    digest = world.push("image 0", "again")
    world.post({"imageDigest": digest}, [f"CVE-{number}" for number in range(250)])
    world.scan(digest)
    of = {"repositoryName": "team/app"}
    listings = [
        ("describe_repositories", {}, "repositories", 131),
        ("describe_images", of, "imageDetails", 130),
        ("list_images", of, "imageIds", 131),
    ]
    for operation, arguments, member, total in listings:
        assert len(getattr(world.client, operation)(**arguments)[member]) == 100
        pages = world.client.get_paginator(operation).paginate(**arguments)
        rows = [json.dumps(row, default=str) for one in pages for row in one[member]]
        assert (len(rows), len(set(rows))) == (total, total)
        assert len(getattr(world.client, operation)(**arguments, maxResults=1000)[member]) == total
    first = world.read(digest)
    assert (len(first["imageScanFindings"]["findings"]), first["imageScanFindings"]["findingSeverityCounts"]) == (
        100,
        {"HIGH": 250},
    )
    pages = world.client.get_paginator("describe_image_scan_findings").paginate(
        **of, imageId={"imageDigest": digest}, PaginationConfig={"PageSize": 120}
    )
    assert [len(one["imageScanFindings"]["findings"]) for one in pages] == [120, 120, 10]


def test_enhanced_findings_are_paged_too(world):
    """The page's size counts them, and every page repeats status and counts."""
    digest = world.push("a")
    content = {"findings": [], "enhancedFindings": [{"severity": "HIGH", "title": str(i)} for i in range(5)]}
    world.post({"imageDigest": digest}, [], imageScanFindings=content)
    world.scan(digest)
    first = world.read(digest, maxResults=3)
    rest = world.read(digest, maxResults=3, nextToken=first["nextToken"])
    assert [len(one["imageScanFindings"]["enhancedFindings"]) for one in (first, rest)] == [3, 2]
    assert rest["imageScanFindings"]["findingSeverityCounts"] == {"HIGH": 5}
    assert "nextToken" not in rest


@pytest.mark.parametrize("arguments", [{"nextToken": "bm9uc2Vuc2U="}, {"nextToken": "\u00e9"}, {"maxResults": 1001}])
def test_a_foreign_token_or_a_page_too_large_is_refused(world, error_of, arguments):
    """InvalidParameterException, whatever it was."""
    call = lambda: world.client.list_images(repositoryName="team/app", **arguments)  # noqa: E731
    assert error_of(call)[0] == "InvalidParameterException"


def test_a_token_belongs_to_its_request(world, error_of):
    """One of another repository or another operation is as good as none."""
    world.client.create_repository(repositoryName="team/other")
    for number in range(3):
        world.push(str(number))
    token = world.client.list_images(repositoryName="team/app", maxResults=1)["nextToken"]
    for call in (
        lambda: world.client.list_images(repositoryName="team/other", nextToken=token),
        lambda: world.client.describe_images(repositoryName="team/app", nextToken=token),
    ):
        assert error_of(call)[0] == "InvalidParameterException"


@given(st.sets(st.text(min_size=1)), st.integers(1, 5), st.sets(st.text(min_size=1)))
def test_pages_show_what_stays_exactly_once(kept, size, passing):
    """Whatever comes and goes between two pages."""
    shown: list[str] = []
    token, everything = None, sorted(kept | passing)
    while True:
        params = {"maxResults": size} | ({"nextToken": token} if token else {})
        some, token = page(everything, str, params, "listing")
        shown += some
        everything = sorted(kept)
        if token is None:
            break
    assert sorted(item for item in shown if item in kept) == sorted(kept)


def test_batch_get_image_answers_failures_instead_of_raising(world):
    """And counts as a pull of what it answers."""
    digest = world.push("a", "1")
    other = world.push("b", "2")
    answer = world.client.batch_get_image(
        repositoryName="team/app",
        imageIds=[
            {"imageDigest": digest},
            {"imageTag": "9"},
            {"imageDigest": "sha256:short"},
            {"imageDigest": other, "imageTag": "1"},
            {},
        ],
    )
    (found,) = answer["images"]
    assert found["imageManifest"] == image("a").manifest
    codes = [failure["failureCode"] for failure in answer["failures"]]
    assert codes == ["ImageNotFound", "InvalidImageDigest", "ImageTagDoesNotMatchDigest", "MissingDigestAndTag"]
    rows = world.client.describe_images(repositoryName="team/app")["imageDetails"]
    assert {row["imageDigest"] for row in rows if "lastRecordedPullTime" in row} == {digest}


def test_an_index_comes_by_digest_as_it_is_and_by_tag_only_when_accepted(world):
    """By digest nothing is ever translated."""
    *_, index = [world.put(part) for part in multi_platform("app", "1")]

    def found(image_id: dict[str, str], **more: list[str]) -> int:
        return len(world.client.batch_get_image(repositoryName="team/app", imageIds=[image_id], **more)["images"])

    assert found({"imageDigest": index}) == 1
    assert found({"imageTag": "1"}) == 0
    assert found({"imageTag": "1"}, acceptedMediaTypes=["application/vnd.oci.image.index.v1+json"]) == 1


def test_an_index_needs_its_parts_and_keeps_them(world, error_of):
    """It can't be pushed before them; they can't be deleted before it."""
    parts = multi_platform("app", "1")
    assert error_of(lambda: world.put(parts[-1]))[0] == "ReferencedImagesNotFoundException"
    amd64, *_, index = [world.put(part) for part in parts]
    delete = world.client.batch_delete_image
    refused = delete(repositoryName="team/app", imageIds=[{"imageDigest": amd64}])
    assert refused["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    assert (
        delete(repositoryName="team/app", imageIds=[{"imageDigest": index}, {"imageDigest": amd64}])["failures"] == []
    )


def test_deleting_a_tag_deletes_the_image_with_the_last_one(world):
    """Each tag that goes is an event, so an event does not say that the digest is gone."""
    digest = world.push("a", "1")
    world.push("a", "2")
    world.events.clear()
    delete = world.client.batch_delete_image
    delete(repositoryName="team/app", imageIds=[{"imageTag": "1"}])
    assert len(world.client.describe_images(repositoryName="team/app")["imageDetails"]) == 1
    delete(repositoryName="team/app", imageIds=[{"imageTag": "2"}])
    assert world.client.describe_images(repositoryName="team/app")["imageDetails"] == []
    details = [event["detail"] for event in world.events]
    assert [(d["action-type"], d["image-tag"], d["image-digest"]) for d in details] == [
        ("DELETE", "1", digest),
        ("DELETE", "2", digest),
    ]


def test_a_push_is_an_event_with_its_tag(world):
    """Shape as in the ECR User Guide; an untagged push has no image-tag."""
    world.push("a", "1")
    world.push("b")
    tagged, untagged = world.events
    assert (tagged["source"], tagged["detail-type"], tagged["resources"]) == ("aws.ecr", "ECR Image Action", [])
    assert tagged["detail"].keys() == {"result", "repository-name", "image-digest", "action-type", "image-tag"}
    assert "image-tag" not in untagged["detail"]
    assert tagged["id"] != untagged["id"]


def test_a_push_that_changes_nothing_is_refused(world, error_of):
    """The same manifest under the same tag, or a tag of an immutable repository."""
    world.push("a", "1")
    assert error_of(lambda: world.push("a", "1"))[0] == "ImageAlreadyExistsException"
    world.client.put_image_tag_mutability(repositoryName="team/app", imageTagMutability="IMMUTABLE")
    assert error_of(lambda: world.push("b", "1"))[0] == "ImageTagAlreadyExistsException"
    world.push("b", "2")


@pytest.mark.parametrize("manifest", ["{", "[]", '{"schemaVersion": 2}'])
def test_a_manifest_that_is_none_is_refused(world, error_of, manifest):
    """No JSON object, or nothing that says what it is."""
    call = lambda: world.client.put_image(repositoryName="team/app", imageManifest=manifest)  # noqa: E731
    assert error_of(call)[0] == "InvalidParameterException"


def test_a_repository_with_images_is_deleted_by_force_only(world, error_of):
    """Without events, for none is documented."""
    world.push("a", "1")
    world.events.clear()
    code, _ = error_of(lambda: world.client.delete_repository(repositoryName="team/app"))
    assert code == "RepositoryNotEmptyException"
    world.client.delete_repository(repositoryName="team/app", force=True)
    assert world.client.describe_repositories()["repositories"] == []
    assert world.events == []


def test_account_setting_and_chart(world):
    """Basic scanning is AWS_NATIVE everywhere by now; a chart says what it is in artifactMediaType."""
    assert world.client.get_account_setting(name="BASIC_SCAN_TYPE_VERSION")["value"] == "AWS_NATIVE"
    world.put(chart("web", "1"))
    (row,) = world.client.describe_images(repositoryName="team/app")["imageDetails"]
    assert row["artifactMediaType"] == "application/vnd.cncf.helm.config.v1+json"


def test_calls_are_counted_with_their_outcome(world, error_of):
    """By the fake, so that a test need not believe the service's own record."""
    digest = world.push("a", "1")
    world.start(digest)
    error_of(lambda: world.start(digest))
    calls = world.fake.calls
    assert [call.outcome for call in calls.of("StartImageScan")] == ["ok", "LimitExceededException"]
    assert calls.of("StartImageScan", outcome="ok")[0].digest == digest
    assert calls.counts["StartImageScan", "ok"] == 1
    assert calls.of("StartImageScan", repository="team/other") == []
    calls.clear()
    assert len(calls) == 0


def test_registries_are_apart_by_region(world):
    """What is in one Region is nowhere else, and moto's reset empties them."""
    world.push("a", "1")
    assert world.fake.registry(region="eu-west-1").repositories == {}
    with pytest.raises(EcrError):
        world.fake.registry(region="eu-west-1").call("ListImages", {"repositoryName": "team/app"})
