"""The command ``ecr-rescan`` and its exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from cli import configs, findings, gate, ignoring, other, tokens
from cli.errors import DONE, TROUBLE, USAGE, CommandError
from cli.shape import Group


@click.command(cls=Group, invoke_without_command=False)
def commands() -> None:
    """Keep re-scanning the images in Amazon ECR, and see only what changed.

    Say where the API is by --url or ECR_RESCAN_URL, --stack or --local. Requests are signed with your AWS credentials
    (profiles, SSO, roles).

    Exit codes: 0 done, or the gate passes; 1 unknown, no answer, or trouble; 2 the gate fails; 3 wrong usage.
    """


for module in (configs, findings, ignoring, tokens, gate, other):
    for command in module.COMMANDS:
        commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every error is one line on stderr."""
    try:
        result = commands.main(args=arguments, prog_name="ecr-rescan", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        click.echo(f"ecr-rescan: {_in_a_line(error)}", err=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped; nothing more was done.", err=True)
        return TROUBLE
    except CommandError as error:
        click.echo(f"ecr-rescan: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return result if isinstance(result, int) else DONE


def _in_a_line(error: click.ClickException) -> str:
    """What is wrong, and which help says how it is right."""
    told = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{told} See {context.command_path} --help" if context else told


def run() -> None:
    """The entry point."""
    sys.exit(main())
