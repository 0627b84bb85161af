"""A quiet day costs what is on a schedule, and the service can do no more than its role allows."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_rescan.core.keys import findings_key, images_key
from ecr_rescan.runtime.scanning import start_scan
from simulation import quiet
from simulation.gate import Gate, VirtualClock
from simulation.permissions import DeployedBucket, role
from simulation.plan import OWN, OWN_REGION, Size
from simulation.quiet import check_quiet
from simulation.s3 import Bucket
from simulation.world import World

SMALL = Size(days=1, images=4, repositories=2, faults=False, pushes=0, habits=frozenset())


def broken(world: World) -> list[str]:
    """What a quiet day shows, but for what is to be mended."""
    world.run()
    return [one.what for one in check_quiet(world) if "notices/" not in one.what]


def test_a_day_without_events_costs_what_is_on_a_schedule() -> None:
    """No more."""
    assert broken(World(SMALL, 1)) == []


def test_notices_are_not_read_in_every_tick() -> None:
    """However many configurations there are."""
    world = World(SMALL, 1)
    world.run()
    assert [one for one in check_quiet(world) if "notices/" in one.what] == []


@pytest.mark.parametrize("prefix", ["findings/", "configs/", "history/"])
def test_what_is_read_in_every_tick_is_seen(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """A state that never ends."""
    original = start_scan.tick

    def restless(environment: Any, *rest: Any) -> None:
        original(environment, *rest)
        environment.documents.get(f"{prefix}x.json")

    monkeypatch.setattr(start_scan, "tick", restless)
    with_more = broken(World(SMALL, 1))
    assert len(with_more) == 1
    assert f"GetObject {prefix}x.json" in with_more[0]


def test_what_is_left_of_the_dead_is_seen() -> None:
    """Ninety days after its deletion a repository has neither ledger nor findings."""
    world = World(SMALL, 1)
    world.run()
    place = (OWN, "team-0/app-0")
    world.scene.delete_repository(place)
    world.scene.deleted[place] -= quiet.KEPT
    left = {one.what.partition(" ")[0] for one in check_quiet(world) if one.invariant == quiet.LEFT}
    known = (OWN, OWN_REGION, place[1])
    assert left <= {images_key(*known), findings_key(*known)}
    assert left


def test_what_the_template_does_not_grant_is_denied() -> None:
    """As S3 denies it."""
    bucket = DeployedBucket(Bucket(Gate(VirtualClock())), role("StartScan"))
    bucket.put_object(Bucket="b", Key="images/a", Body=b"1")
    assert bucket.get_object(Bucket="b", Key="images/a")["Body"].read() == b"1"
    assert list(bucket.get_paginator("list_objects_v2").paginate(Bucket="b", Prefix="images/"))
    for call in (
        lambda: bucket.put_object(Bucket="b", Key="configs/a", Body=b""),
        lambda: bucket.get_object(Bucket="b", Key="audit/a"),
        lambda: bucket.delete_object(Bucket="b", Key="configs/a"),
    ):
        with pytest.raises(ClientError) as denied:
            call()
        assert denied.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize(
    ("function", "granted", "denied"),
    [
        ("StartScan", ("s3:PutObject", "findings/x"), ("s3:PutObject", "configs/x")),
        ("Summary", ("s3:GetObject", "images/x"), ("s3:PutObject", "images/x")),
        ("Findings", ("s3:GetObject", "findings/x"), ("s3:GetObject", "images/x")),
        ("Config", ("s3:DeleteObject", "configs/x"), ("s3:DeleteObject", "images/x")),
    ],
)
def test_a_role_is_the_template_s(function: str, granted: tuple[str, str], denied: tuple[str, str]) -> None:
    """For every function."""
    assert role(function).allows(*granted)
    assert not role(function).allows(*denied)


def test_calls_are_counted_by_key() -> None:
    """Each use, the denied ones too."""
    bucket = DeployedBucket(Bucket(Gate(VirtualClock())), role("StartScan"))
    for _ in range(random.Random(1).randint(2, 5)):
        bucket.put_object(Bucket="b", Key="images/a", Body=b"1")
    assert bucket.used["PutObject", "images/a"] > 1
