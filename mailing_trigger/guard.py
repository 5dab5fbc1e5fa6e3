"""Refuse to run when a stranger's package stands where ours should be.

`schemas`, `streams` and `producers` are common words: another distribution may bring one of them,
and a folder of that name beside the caller shadows ours. Only the standard library is used here,
because anything else might already be the stranger's.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from mailing_trigger.errors import CommandError

OURS = ("schemas", "streams", "producers")
DISTRIBUTION = "mailing-trigger"


def require_ours(root: Path | None = None) -> None:
    """Raise and name the first package that is not ours.

    *root* is the folder ours lie in, by default the one this file is in.
    """
    root = (root or Path(__file__).parents[1]).resolve()
    for name in OURS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise CommandError(f"our package {name} is missing: {_CURE}")
        if Path(spec.origin).resolve().parent.parent != root:
            raise CommandError(
                f"{spec.origin} stands in for our package {name}: start from another folder, "
                f"or {_CURE}"
            )
    installed = packages_distributions()
    for name in OURS:
        for owner in installed.get(name, ()):
            if owner != DISTRIBUTION:
                raise CommandError(
                    f"the distribution {owner} has written over our package {name}: {_CURE}"
                )


_CURE = "install mailing-trigger in an environment of its own"
