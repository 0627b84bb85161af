"""What is wrong, rebuilding, importing, completion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from cli import tables
from cli.errors import DONE, TROUBLE, UsageError
from cli.findings import problems_of, whole_summary
from cli.shape import Command, api

_SKEW_SECONDS = 60
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@click.command(cls=Command, short_help="What is wrong with this deployment.")
def doctor() -> int:
    """What is wrong with this deployment; 0 where nothing is."""
    service = api()
    health = service.get("/health").json()
    found = [f"{one['severity']}: {one['what']}\n    {one['do']}" for one in health["findings"]]
    found += _clock(health, is_local=service.connection.is_local)
    told = whole_summary(service, "/summary")
    found += problems_of({**told, "problems": []})
    covered = told["totals"]["coverage"]
    for state in ("stale", "failed", "unsupported", "never"):
        if covered[state]:
            found.append(f"{covered[state]:,} images are {state.replace('never', 'not scanned yet')}")
    for line in found:
        tables.say(line)
    if not found:
        tables.say(f"Nothing is wrong: {covered['scanned_24h']:,} of {covered['selected']:,} images are current.")
    return TROUBLE if found else DONE


def _clock(health: dict[str, Any], *, is_local: bool) -> list[str]:
    """AWS refuses what was signed five minutes ago; the clock of a stack on this machine may run as it likes."""
    ahead = (datetime.now(UTC) - datetime.fromisoformat(health["at"])).total_seconds()
    if is_local or abs(ahead) < _SKEW_SECONDS:
        return []
    return [
        f"warning: the clock of this machine is {abs(ahead):.0f} seconds {'ahead' if ahead > 0 else 'behind'}: set it"
    ]


@click.command(context_settings=_PASSED_ON, short_help="Mend the record of a repository.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def rebuild(arguments: tuple[str, ...]) -> int:
    """Read a repository from ECR anew, and mend its record (needs the bucket and ECR; --help says more)."""
    from cli.rebuild import main

    return main(list(arguments))


@click.command("import-sample", context_settings=_PASSED_ON, short_help="Take over the older sample's configurations.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def import_sample(arguments: tuple[str, ...]) -> int:
    """Take over the configurations of the older sample (needs both buckets; --help says more)."""
    from cli.import_sample import main

    return main(list(arguments))


@click.command(short_help="Completion for bash or zsh.")
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Completion for a shell: eval "$(ecr-rescan completion bash)" in ~/.bashrc, or zsh likewise."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"{shell} is not known")
    click.echo(found(context.find_root().command, {}, "ecr-rescan", "_ECR_RESCAN_COMPLETE").source())


COMMANDS = (doctor, rebuild, import_sample, completion)
