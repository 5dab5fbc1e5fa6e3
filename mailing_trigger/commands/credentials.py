"""`credentials`: a password becomes lines for the credentials file."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

import typer

from mailing_trigger.errors import CommandError

SHORTEST = 8


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("credentials")(credentials)


def credentials(
    user: Annotated[str, typer.Argument(help="The name the caller gives.")],
    orgid: Annotated[
        list[int], typer.Option("--orgid", min=1, help="An organisation the user may call for.")
    ],
) -> None:
    """Make a user for the credentials file.

    The password is asked for, or read as one line when the input is not a terminal; it is never
    an argument, because other users of the machine can read those. What is printed belongs into
    the file and holds a scrypt hash only. The bridge reads the file again when it changes.

    \b
    Example: mailing-trigger credentials shop --orgid 2 --orgid 3 >> credentials.toml
             mailing-trigger bridge --credentials credentials.toml
    """
    import json  # noqa: PLC0415

    from mailing_trigger.output import say  # noqa: PLC0415
    from producers.bridge.passwords import hash_password  # noqa: PLC0415

    if not user.isprintable() or ":" in user:
        raise CommandError("a user's name has no colon and no control characters (HTTP Basic)")
    hashed = hash_password(_password())
    # A JSON string of a printable name is a TOML key, too.
    say(f"[users.{json.dumps(user, ensure_ascii=False)}]")
    say(f'password = "{hashed}"')
    say(f"orgids = {sorted(set(orgid))}")


def _password() -> str:
    if sys.stdin.isatty():
        password = getpass("Password: ")
        if getpass("Again: ") != password:
            raise CommandError("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST:
        raise CommandError(f"a password has {SHORTEST} characters or more")
    return password
