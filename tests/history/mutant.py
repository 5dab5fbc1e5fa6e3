"""What a mutant is: a bug that is patched into the shipped code, and what it takes to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.core import transition
from tests.support.folding import none_is_ordinary

if TYPE_CHECKING:
    from collections.abc import Callable

    Install = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: what it does, how it gets in, and the faults without which it never shows."""

    about: str
    install: Install
    faults: tuple[str, ...] = ()


def known_to(mutants: dict[str, Mutant]) -> Callable[..., Callable[[Install], Install]]:
    """Return a decorator that puts a bug into *mutants* under its function's name.

    The loop for ordinary triggers is compiled and cannot be patched; without it every event goes
    the plain way, which can.
    """

    def named(about: str, *faults: str) -> Callable[[Install], Install]:
        def known(install: Install) -> Install:
            def with_plain_fold() -> None:
                transition.fold_run = none_is_ordinary
                install()

            name = install.__name__.strip("_").replace("_", "-")
            mutants[name] = Mutant(about, with_plain_fold, faults)
            return install

        return known

    return named
