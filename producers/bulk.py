"""Calls of any length: blocks of entries, a window of them on their way, answers in order."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from producers.contract.answers import answer
from producers.contract.recipients import read_recipients
from producers.errors import LogUnavailable, Overloaded, TriggerRejected
from producers.window import BLOCK, Window

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Coroutine,
        Iterable,
        Mapping,
    )

    from producers.contract.answers import TriggerAnswer
    from producers.contract.entries import TriggerCall
    from producers.contract.errors import EntryError
    from producers.waiting import Waiting
    from schemas.records import Outcome

    Recipient = int | Mapping[str, object]
    Recipients = Iterable[Recipient] | AsyncIterable[Recipient]
    Result = tuple[Outcome, int]
    # Produces one call under a request id and returns what it has got.
    Submit = Callable[[TriggerCall, str], Coroutine[None, None, Waiting[Result]]]

T = TypeVar("T")

MAX_BASE_CHARS = 48  # of a request_id, with room for the block's number
TRIES = 8
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """What became of one recipient: an ID and how it came about, or an error."""

    index: int
    rid: int | None
    outcome: Outcome | None
    error: EntryError | None = None


@dataclass(frozen=True, slots=True)
class Block(Generic[T]):
    """Entries that travel together; *about* is the caller's own note on them."""

    request_id: str
    call: TriggerCall
    about: T


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A block and what became of its entries."""

    block: Block[T]
    results: Mapping[int, Result]
    answer: TriggerAnswer


async def exchange_blocks(
    submit: Submit, blocks: AsyncIterator[Block[T]]
) -> AsyncGenerator[Answered[T]]:
    """Yield *blocks* in their order as they are answered; ask for them only as fast as that.

    TriggerRejected, and nothing further is produced, when the mailing takes no triggers at all.
    """
    window = Window()
    started: deque[tuple[int, asyncio.Task[Answered[T]]]] = deque()
    on_their_way = 0
    more = True
    try:
        while True:
            while more and (not started or on_their_way + BLOCK <= window.size):
                if not started:
                    await asyncio.sleep(window.pause_s)
                block = await anext(blocks, None)
                if block is None:
                    more = False
                    break
                task = asyncio.create_task(_exchange(submit, block, window))
                started.append((len(block.call.entries), task))
                on_their_way += len(block.call.entries)
            if not started:
                return
            count, task = started[0]
            answered = await task
            started.popleft()
            on_their_way -= count
            if answered.block.call.size and not answered.answer.ids:
                raise TriggerRejected((), answered.answer.errors)
            yield answered
    finally:
        for _, task in started:
            task.cancel()
        await asyncio.gather(*(task for _, task in started), return_exceptions=True)


async def _exchange(submit: Submit, block: Block[T], window: Window) -> Answered[T]:
    pause_s = FIRST_PAUSE_S
    for tries_left in reversed(range(TRIES)):
        sent_at = time.monotonic()
        try:
            waiting = await submit(block.call, block.request_id)
        except (Overloaded, LogUnavailable) as exc:
            window.slower(sent_at=sent_at, at=time.monotonic())
            if isinstance(exc, LogUnavailable) and exc.produced:
                # Some may be in the log: not acknowledged, for the caller to repeat or not.
                return Answered(block, {}, answer(block.call, {}))
            if not tries_left:
                raise
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            if waiting.missing:
                window.slower(sent_at=sent_at, at=time.monotonic())
            elif waiting.answers:
                window.answered(sent_at=sent_at, answered_at=waiting.last_at)
            return Answered(block, waiting.answers, answer(block.call, waiting.answers))
    raise AssertionError("the last try returns or raises")


async def blocks_of(recipients: Recipients, base: str) -> AsyncIterator[Block[int]]:
    """Cut *recipients* into blocks, each with the index of its first one."""
    if len(base) > MAX_BASE_CHARS:
        raise ValueError(f"the request_id of a bulk call has at most {MAX_BASE_CHARS} characters")
    first = 0
    async for some in _some(recipients):
        yield Block(f"{base}-{first // BLOCK}", read_recipients(some), first)
        first += len(some)


async def _some(recipients: Recipients) -> AsyncIterator[list[Recipient]]:
    if hasattr(recipients, "__aiter__"):
        some: list[Recipient] = []
        async for recipient in recipients:
            some.append(recipient)
            if len(some) == BLOCK:
                yield some
                some = []
        if some:
            yield some
    else:
        source = iter(recipients)
        while some := list(islice(source, BLOCK)):
            yield some


def each_of(call: TriggerCall, results: Mapping[int, Result]) -> list[BulkAnswer]:
    """Return what became of each entry of a call; TriggerRejected when the mailing takes none."""
    given = answer(call, results)
    if given.errors and not given.ids:
        raise TriggerRejected((), given.errors)
    errors = {error.index: error for error in reversed(given.errors)}
    return [
        BulkAnswer(index, None, None, errors[index])
        if index in errors
        else BulkAnswer(index, given.ids[index], results[index][0])
        for index in range(call.size)
    ]


def bulk_answers(answered: Answered[int]) -> list[BulkAnswer]:
    """Return a block's answers one by one, numbered as in the whole."""
    first = answered.block.about
    answers = [
        BulkAnswer(first + index, rid, outcome)
        for index, (outcome, rid) in answered.results.items()
        if outcome.accepted
    ]
    answers += [
        BulkAnswer(first + error.index, None, None, replace(error, index=first + error.index))
        for error in answered.answer.errors
    ]
    answers.sort(key=lambda each: each.index)
    return answers
