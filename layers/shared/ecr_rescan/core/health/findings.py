"""What is wrong with a deployment, and what to do about it: one pure function over what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecr_rescan.core.health.vitals import LOOK_EVERY, Refusal, Vitals
from ecr_rescan.core.scanning.account import DAILY_QUOTA, QUOTA_MARGIN, SILENT, Account
from ecr_rescan.core.summary.summary import Problem
from ecr_rescan.core.times import to_text
from ecr_rescan.core.version import VERSION

ERROR = "error"
WARNING = "warning"

TICK_MISSING = timedelta(minutes=60)
"""Three ticks of the slowest schedule, and the half hour to which the last one is known."""

LATE_SECONDS = 1800
"""A message that waited for longer shows that the queue is behind."""

LATE_FOR = timedelta(hours=3)
NOTED_EVERY = timedelta(hours=6)
"""How exactly it is known when an event last arrived (the recorder notes it so often)."""

DEAF_AFTER = timedelta(days=1)
NEARLY = 0.9
_BEHIND = 1000
_ON_ANYTHING = frozenset({"GetRegistryScanningConfiguration"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: an ``error`` keeps the service from its work, a ``warning`` will, or lessens it."""

    code: str
    severity: str
    what: str
    do: str


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known of a deployment. ``vitals`` is None where no tick ever came to its end."""

    vitals: Vitals | None
    accounts: Sequence[Account]
    problems: Sequence[Problem]
    configurations: int
    is_paused: bool = False


def examine(patient: Patient, now: datetime) -> list[Finding]:
    """Everything that is wrong, errors first; nothing where there is nothing to say."""
    found = [
        *_ticks(patient, now),
        *_told(patient.vitals),
        *_queues(patient.vitals, now),
        *_refusals(patient.vitals),
        *(finding for account in patient.accounts for finding in _account(account, now)),
        *_documents(patient.problems),
    ]
    if not patient.configurations and not patient.problems:
        found.append(Finding("nothing-configured", WARNING, "There is no scan configuration.", "ecr-rescan add '*'"))
    return sorted(found, key=lambda one: one.severity != ERROR)


def mute(vitals: Vitals | None) -> str:
    """Why nobody gets a message; "" where somebody does, or where that is not known."""
    if vitals is None or not vitals.is_mute:
        return ""
    if vitals.pending:
        return (
            f"nobody gets the messages: {vitals.pending} subscriptions of the topic wait to be confirmed, for 48 hours"
        )
    return "nobody gets the messages: the topic has no subscription"


def deaf(account: Account, now: datetime) -> str:
    """Why it is believed that events of an account and Region do not arrive; "" where nothing shows it.

    Listings showed a push, and a day later no event of one had come since before it.
    """
    pushed, heard = account.pushed_at, account.events_at
    if pushed is None or now - (heard or pushed) < DEAF_AFTER:
        return ""
    if heard is not None and pushed - heard <= NOTED_EVERY:
        return ""
    last = f"since {to_text(heard)}" if heard else "ever"
    scans = account.scans_at is not None and now - account.scans_at < DEAF_AFTER + NOTED_EVERY
    also = "; those of scans do arrive" if scans else ""
    return f"events of pushes do not arrive: none {last}, though a listing showed one of {to_text(pushed)}{also}"


def _ticks(patient: Patient, now: datetime) -> Iterator[Finding]:
    vitals = patient.vitals
    if patient.is_paused:
        yield Finding(
            "paused",
            WARNING,
            "Scanning is paused: nothing is listed, started or told.",
            "Deploy with Scanning=enabled.",
        )
    elif vitals is None or vitals.tick_at is None or now - vitals.tick_at > TICK_MISSING:
        last = to_text(vitals.tick_at) if vitals and vitals.tick_at else "never"
        yield Finding(
            "tick-missing",
            ERROR,
            f"No tick has come to its end lately; the last one: {last}.",
            "Look at the log group of StartScanFunction (level ERROR), and at whether the rule StartScanFunctionTick "
            "is enabled: deploying again does not enable it. TickMissingAlarm in docs/operations.md.",
        )
    if vitals and vitals.version != VERSION:
        yield Finding(
            "version-mixed",
            WARNING,
            f"StartScan last ran as version {vitals.version or 'unknown'}, the API is {VERSION}.",
            "Right after a deployment this ends with the next tick; else look whether the deployment came to its end.",
        )


def _told(vitals: Vitals | None) -> Iterator[Finding]:
    if vitals is None:
        return
    if vitals.topic_problem:
        yield Finding(
            "topic-unreachable",
            ERROR,
            f"The topic can't be asked about its subscriptions: {vitals.topic_problem}.",
            "Does it still exist? StartScan's role grants sns:Publish and sns:GetTopicAttributes on it; deploy again. "
            "With TopicKeyArn, the key's policy must let the role use it.",
        )
    confirm = (
        "Confirm it from the mail within 48 hours, better by aws sns confirm-subscription "
        "--authenticate-on-unsubscribe true; what was deleted, subscribe again: CloudFormation does not. "
        "See docs/operations.md, Mute or deaf."
    )
    if vitals.is_mute:
        yield Finding("nobody-told", ERROR, f"{mute(vitals).capitalize()}.", confirm)
    elif vitals.pending:
        yield Finding("subscription-pending", WARNING, f"{vitals.pending} subscriptions wait to be confirmed.", confirm)


def _queues(vitals: Vitals | None, now: datetime) -> Iterator[Finding]:
    if vitals is None:
        return
    if vitals.queue_problem:
        yield Finding(
            "queue-unreachable",
            ERROR,
            f"The queues can't be asked how much they hold: {vitals.queue_problem}.",
            "StartScan's role grants sqs:GetQueueAttributes on both; deploy again. With QueueKeyArn, look at the key.",
        )
    if vitals.dead:
        yield Finding(
            "dead-letters",
            ERROR,
            f"{vitals.dead} messages failed eight times and wait in the dead-letter queue.",
            "When the cause is gone: aws sqs start-message-move-task. DeadLettersAlarm in docs/operations.md.",
        )
    late = vitals.late_at is not None and now - vitals.late_at < LATE_FOR and vitals.late_seconds > LATE_SECONDS
    if late or (vitals.waiting or 0) > _BEHIND:
        waited = f"; one had waited for {vitals.late_seconds // 60} minutes" if late else ""
        yield Finding(
            "queue-behind",
            WARNING,
            f"Events wait: {vitals.waiting or 0} messages in the queue{waited}.",
            "After an outage this ends by itself. Else: is StartScan throttled (ThrottledAlarm), or failing (its log)?",
        )


def _refusals(vitals: Vitals | None) -> Iterator[Finding]:
    by_action: dict[tuple[str, str, str, str], list[Refusal]] = {}
    for one in vitals.refusals if vitals else ():
        by_action.setdefault((one.action, one.role, one.registry, one.region), []).append(one)
    for (action, role, registry, region), refusals in sorted(by_action.items()):
        names = sorted({one.repository for one in refusals} - {""})
        some = f", repositories {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}" if names else ""
        resource = "*" if action in _ON_ANYTHING else f"arn:aws:ecr:{region}:{registry}:repository/*"
        who = role or "StartScan's own role"
        grants = (
            "its permissions (organisation/member.yaml, docs/deploy.md)" if role else "template.yaml, StartScanRole,"
        )
        yield Finding(
            "permission-refused",
            ERROR,
            f"ecr:{action} was refused to {who} in {registry}/{region}{some}, last at {to_text(refusals[0].at)}.",
            f"Where {grants} grant ecr:{action} on {resource}, look for what takes it away: a service control policy, "
            "a permissions boundary, the policy of the repository.",
        )


def _account(account: Account, now: datetime) -> Iterator[Finding]:
    place = f"{account.registry}/{account.region}"
    for role, problem in sorted(account.problems.items()):
        yield Finding(
            "role-unusable",
            ERROR,
            f"{role or 'Its own role'} can't be used for {place}: {problem}.",
            "Its trust must name this account's root with aws:PrincipalArn like the output StartScanRoleArn, and "
            "RoleExternalId; and AllowedRoles or OrganizationId must allow it. docs/organisation.md.",
        )
    silence = account.rests.get(SILENT)
    if silence is not None:
        yield Finding(
            "region-silent",
            ERROR,
            f"{place}: {silence.reason}.",
            "Is the Region enabled, and its name right? It is tried again.",
        )
    elif account.problem:
        yield Finding("account-troubled", ERROR, f"{place}: {account.problem}.", "ProblemsAlarm in docs/operations.md.")
    if account.paused_until is not None:
        yield Finding(
            "quota-spent",
            ERROR,
            f"{place}: ECR says that the daily quota of {DAILY_QUOTA:,} scans is spent.",
            "Select fewer images (tags, newest), or move some to another Region: ResultsOverdueAlarm in the runbook.",
        )
    elif account.starts_left(now) < (1 - NEARLY) * (DAILY_QUOTA - QUOTA_MARGIN):
        used = DAILY_QUOTA - QUOTA_MARGIN - account.starts_left(now)
        yield Finding(
            "quota-nearly-spent",
            WARNING,
            f"{place}: {used:,} scans were started within 24 hours, of {DAILY_QUOTA:,}.",
            "Select fewer images (tags, newest) before images wait for more than a day.",
        )
    if told := deaf(account, now):
        yield Finding(
            "events-missing",
            WARNING,
            f"{place}: {told}.",
            "Here: are the rules ImageActionRule and ScanCompleteRule enabled (deploying again does not enable them), "
            "may they send to the queue? Elsewhere: is the forwarding rule there, does this account's bus let it in? "
            "docs/operations.md, Mute or deaf. Meanwhile pushes are found by listings every six hours.",
        )


def _documents(problems: Iterable[Problem]) -> Iterator[Finding]:
    for one in problems:
        newer = "is not known to this version" in one.problem
        do = (
            "A newer version wrote it: deploy that one again, or restore the object's earlier version."
            if newer
            else "Restore an earlier version of the object, or remove it. Rollback in docs/operations.md."
        )
        yield Finding("schema-newer" if newer else "document-unreadable", ERROR, f"{one.key}: {one.problem}.", do)


def is_stale(vitals: Vitals, now: datetime) -> bool:
    """Whether topic and queues are to be looked at again."""
    return vitals.looked_at is None or now - vitals.looked_at >= LOOK_EVERY
