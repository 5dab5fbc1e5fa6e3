"""The command `mailing-trigger`: its parts are in `commands`, its one-line errors end here."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

import typer

from mailing_trigger.commands import (
    calls,
    checks,
    credentials,
    dead_letters,
    deliver,
    explain,
    mailings,
    recipients,
    serve,
    topics,
)
from mailing_trigger.guard import require_ours
from mailing_trigger.logs import be_quiet
from mailing_trigger.one_line import one_line
from mailing_trigger.settings import debug_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "mailing-trigger"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# Plain help: rich's own takes 100 ms to load and would read the brackets of our examples as markup.
app = typer.Typer(
    name=NAME,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def about() -> None:
    """Triggered mailings as an exactly-once Kafka stream processor.

    \b
    Try it:          mailing-trigger demo
    Leave it on:     mailing-trigger up
    What is wrong?   mailing-trigger doctor

    Settings come from flags, then from the environment (--port is MAILING_TRIGGER_PORT), then
    from a TOML file (--config FILE, or ./mailing-trigger.toml).
    """


serve.register(app)
calls.register(app)
mailings.register(app)
recipients.register(app)
topics.register(app)
credentials.register(app)
checks.register(app)
deliver.register(app)
dead_letters.register(app)
explain.register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; whatever fails is said in one line."""
    try:
        require_ours()
        be_quiet()
        status = app(
            args=list(sys.argv[1:] if argv is None else argv),
            prog_name=NAME,
            standalone_mode=False,
        )
    except typer.TyperException as exc:  # a flag or argument that is wrong or missing
        asked = getattr(getattr(exc, "ctx", None), "command_path", NAME)
        return _fail(f"{exc.format_message().rstrip('.')}; see {asked} --help", exc.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped", INTERRUPTED)
    except Exception as exc:  # noqa: BLE001 - the border: a person gets a line, not a traceback
        if debug_wanted():
            traceback.print_exc()
        for line in getattr(exc, "evidence", ()):
            print(f"    {line}", file=sys.stderr)
        return _fail(one_line(exc), getattr(exc, "exit_code", 1))
    return status if isinstance(status, int) else 0


def _fail(line: str, status: int) -> int:
    print(f"{NAME}: {' '.join(line.split())}", file=sys.stderr)
    return status
