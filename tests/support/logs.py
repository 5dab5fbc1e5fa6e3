"""Logs as a busy and careless world writes them, for Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from schemas.calls import HOUR_MS, call_key
from schemas.contexts import comparable
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.ids import mailing_key, rid_of
from schemas.partition import partition_for
from schemas.records import Channel, DedupPolicy, MailingPhase, Origin, UnknownRecipients
from tests.support.events import (
    SECRET,
    START_MS,
    Event,
    asked,
    begun,
    changed,
    defined,
    erased,
    invoked,
    once,
    pending_asked,
    queried,
    switched,
    tried,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, at_home, lives_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

    from streams.core.transition import LogRecord

MAILINGS = ((2, 1), (2, 2), (3, 1), (3, 7))
ORGIDS = (2, 3)


def _spelt(*emails: str) -> tuple[str, ...]:
    return tuple(at_home(*emails, orgids=ORGIDS))


_SHARP_S = _spelt("straße@b.org", "Straße@B.ORG", "strasse@b.org", "STRASSE@b.org")
# Each row is one person in several spellings; the last two rows are two people.
PEOPLE = (
    _spelt("user@domain.com", "USER@Domain.COM", " user@domain.com", "User@DOMAIN.com."),
    _spelt("zoë@exämple.org", "ZOË@EXÄMPLE.ORG", "zoe\u0308@xn--exmple-cua.org"),
    _spelt("a@b.org", "A@b.org"),
    _SHARP_S[:2],
    _SHARP_S[2:],
)
# Lives in another partition, whatever the organisation.
STRANGER = ("guest@b.org", "GUEST@b.org")
assert not any(lives_here(STRANGER[0], orgid) for orgid in ORGIDS)
HOMES = {
    (org, mid): partition_for(mailing_key(org, mid), PARTITIONS)
    for org, mid in (*MAILINGS, (2, 9), (3, 9))
}
CHANNELS = (
    *[(Channel.EMAIL,)] * 3,
    (Channel.SMS,),
    tuple(Channel),
    # In another order, and one of them twice.
    (Channel.SMS, Channel.EMAIL, Channel.SMS),
)
# Idempotency keys at home in the partition under test.
KEYS = {
    ident: [
        key
        for key in map(str, range(40))
        if partition_for(call_key(*ident, key), PARTITIONS) == HOME
    ][:3]
    for ident in MAILINGS[:2]
}
# Above and below what is compared as it is.
LONG_CONTEXTS = tuple(b'"%s"' % (b"y" * size) for size in (254, 255, 600))
CONTEXTS = (b"", b'"a"', b'{"total":1.10,"n":18446744073709551616}', b'"%s"' % (b"x" * 90))
PROFILES: tuple[dict[str, object], ...] = (
    {},
    {"firstName": "John", "lastName": "Doe"},
    {"firstName": "Jöhn", "contentType": 3, "smsContact": "+4512345678", "smsSubscribed": True},
    {"smsSubscribed": False},
    {"smsContact": "+4512345678"},
    {"smsContact": "12345678"},
    {"profileData": {"size": "1.10", "vip": "true"}, "city": "Århus"},
    {"profileData": {"size": '"L"'}},
    {"profileData": {}},
)
_EMAIL = PEOPLE[2][0]
_GOOD = triggered(email=_EMAIL)
_KEY = _GOOD[0]
GARBAGE: tuple[Event, ...] = (
    (_KEY, None),
    (_KEY, b""),
    (_KEY, b"hello"),
    (_KEY, b"\xc3\x01" + bytes(8) + b"body"),
    (_KEY, (_GOOD[1] or b"")[:-3]),
    (_KEY, (_GOOD[1] or b"") + b"\x00"),
    (b"2:other@b.org", _GOOD[1]),
    (None, _GOOD[1]),
    triggered(email=_EMAIL, reply_partition=8),
    triggered(email=_EMAIL, status=2),
    triggered(email=_EMAIL, context=bytes(600 * 1024)),
    triggered(email="nobody"),
    triggered(email="a\n@b.org"),
    triggered(0, email=_EMAIL),
    triggered(mid=0, email=_EMAIL),
    triggered(rid=rid_of(0, HOME + 1)),
    triggered(email=_EMAIL, request_id="r" * 65),
    changed(email=_EMAIL, status=2),
    changed(email="nobody"),
    changed(email="a\n@b.org"),
    changed(email="guest@b.org"),
    changed(rid=rid_of(0, HOME + 1)),
    (b"2:other@b.org", asked(email=_EMAIL)[1]),
    asked(email=_EMAIL, reply_partition=8),
    erased(email=_EMAIL, secret=b"short"),
    erased(email="guest@b.org"),
    erased(rid=rid_of(0, HOME + 1)),
    asked(0, email=_EMAIL),
    tried([{"email": _EMAIL}, {"email": "nobody"}]),
    tried([{"email": _EMAIL}], mid=0),
    tried([{"email": _EMAIL, "status": 2}]),
    tried([{"email": _EMAIL, "index": -1}]),
    tried([{"email": _EMAIL}] * 501),
    defined(name=""),
    defined(interval_s=-1),
    defined(origin=Origin.TIMER),
    defined(channels=()),
    defined(hourly_cap=-1),
    defined(hourly_cap=1001),
    defined(state=MailingPhase.SUSPENDED),
    switched(MailingPhase.ACTIVE, origin=Origin.TIMER),
    defined(origin=Origin.COPY, revision=9),
)


@dataclass(frozen=True)
class Step:
    """One transaction: how many records, the most sends, and whether it is kept at once."""

    records: int
    drain: int
    kept: bool


def plans() -> SearchStrategy[list[Step]]:
    """How a log may be cut into transactions; it is repeated until the log ends."""
    step = st.builds(Step, st.integers(0, 6), st.sampled_from((0, 1, 2, 5, 100)), st.booleans())
    return st.lists(step, min_size=1, max_size=12).filter(lambda plan: any(s.records for s in plan))


@st.composite
def nearly_ordinary(draw: DrawFn) -> Event:
    """A trigger at the bounds of what is ordinary, and now and then with a byte that is not."""
    length = st.sampled_from((0, 1, 62, 63, 64, 65, 127, 128, 255, 256, 257, 8191, 8192))
    email = draw(st.sampled_from((*PEOPLE[0], *PEOPLE[2], "a" * 62 + "@b.org", "a.@b.org", "a@")))
    profile = {
        name: draw(text)
        for name, text in (
            ("firstName", st.none() | st.text(max_size=70)),
            ("phone2", st.none() | length.map("1".__mul__)),
            ("smsContact", st.none() | length.map("é".__mul__)),
            ("contentType", st.none() | st.integers(-1, 200)),
            ("smsSubscribed", st.none() | st.booleans()),
            ("profileData", st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=9))),
        )
        if draw(st.booleans())
    }
    key, value = triggered(
        email="" if (by_rid := draw(st.booleans())) else email,
        rid=rid_of(draw(st.integers(0, 12)), HOME) if by_rid else 0,
        context=b"c" * draw(length),
        status=draw(st.sampled_from((-1, -1, 0, 1, 2, 3))),
        request_id=draw(st.sampled_from(("", "r", "é", "r" * 63, "r" * 64, "r" * 65))),
        index=draw(st.sampled_from((-1, 0, 63, 64, 8191, 8192, 2**31 - 1))),
        reply_partition=draw(st.integers(-2, 8)),
        **profile,
    )
    if draw(st.integers(0, 4)) == 0:
        assert value is not None
        at = draw(st.integers(SINGLE_OBJECT_BYTES, len(value) - 1))
        value = value[:at] + bytes((draw(st.integers(0, 255)),)) + value[at + 1 :]
    return key, value


@st.composite
def logs(draw: DrawFn, *, max_size: int = 40) -> list[LogRecord]:
    """A log of partition `HOME`, with gaps where transaction markers lie."""
    kinds: list[Callable[[DrawFn, list[LogRecord]], Event]] = [
        *[_by_address] * 10,
        *[_by_rid] * 4,
        *[_define] * 3,
        *[_switch] * 3,
        *[_invoke] * 3,
        *[_change] * 3,
        *[_erase] * 3,
        _ask,
        _query,
        _ask_for_pending,
        *[_begin] * 2,
        *[_once] * 4,
        *[_try] * 2,
        _garbage,
        _again,
    ]
    records: list[LogRecord] = []
    offset = draw(st.integers(0, 3))
    # A busy day, or one in which an hour is soon over.
    pace_ms = draw(st.sampled_from((10, 10, 20 * 60 * 1000)))
    for org, mid in draw(st.sampled_from((MAILINGS, MAILINGS, MAILINGS[:2], ()))):
        key, value = _definition(draw, org, mid, 1)
        records.append((offset, key, value, START_MS))
        offset += 1
    # Drawn together, so that Hypothesis removes whole events when it shrinks.
    size = draw(st.integers(0, max_size))
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=size, max_size=size)):
        key, value = kind(draw, records)
        offset += draw(st.sampled_from((0, 0, 0, 1, 2)))
        records.append((offset, key, value, START_MS + pace_ms * offset))
        offset += 1
    return records


def _target(draw: DrawFn) -> tuple[int, int]:
    return draw(st.sampled_from((*MAILINGS[:1] * 4, *MAILINGS, (2, 9))))


def _call(draw: DrawFn) -> dict[str, object]:
    return {
        "request_id": draw(st.sampled_from(("call-1", "call-2", "call-3"))),
        "reply_partition": draw(st.sampled_from((0, 7, -1))),
    }


def _message(draw: DrawFn) -> dict[str, object]:
    profile = draw(st.sampled_from(PROFILES))
    context = draw(st.sampled_from((*CONTEXTS * 2, *LONG_CONTEXTS)))
    return _call(draw) | profile | {"context": context, "index": draw(st.integers(0, 3))}


def _by_address(draw: DrawFn, _: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    email = draw(st.sampled_from(draw(st.sampled_from((*PEOPLE * 2, STRANGER)))))
    status = draw(st.sampled_from((*[-1] * 8, 0, 1, 3)))
    return triggered(org, mid, email=email, status=status, **_message(draw))  # type: ignore[arg-type]


def _by_rid(draw: DrawFn, records: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    offsets = [offset for offset, _, _, _ in records] or [0]
    rid = rid_of(draw(st.sampled_from((*offsets, 10**6))), HOME)
    email = draw(st.sampled_from(("", "", "", *PEOPLE[0], PEOPLE[1][0])))
    return triggered(org, mid, rid=rid, email=email, **_message(draw))  # type: ignore[arg-type]


def _who(draw: DrawFn, records: list[LogRecord]) -> dict[str, object]:
    """Return a recipient by address, or by the rid that an event of the log may have given."""
    who: dict[str, object] = {"orgid": draw(st.sampled_from(ORGIDS))}
    if draw(st.booleans()):
        email = draw(st.sampled_from(draw(st.sampled_from((*PEOPLE, STRANGER)))))
        return who | {"email": email}
    offsets = [offset for offset, _, _, _ in records] or [0]
    rid = rid_of(draw(st.sampled_from((*offsets, 10**6))), HOME)
    return who | {"rid": rid, "email": draw(st.sampled_from(("", "", "", *PEOPLE[0])))}


def _change(draw: DrawFn, records: list[LogRecord]) -> Event:
    status = draw(st.sampled_from((-1, -1, 0, 0, 1, 3)))
    profile = draw(st.sampled_from(PROFILES))
    who, call = _who(draw, records), _call(draw)
    return changed(**who, **call, **profile, status=status, index=draw(st.integers(0, 3)))  # type: ignore[arg-type]


def _erase(draw: DrawFn, records: list[LogRecord]) -> Event:
    secret = draw(st.sampled_from((SECRET, SECRET[::-1])))
    return erased(**_who(draw, records), **_call(draw), secret=secret)  # type: ignore[arg-type]


def _ask(draw: DrawFn, records: list[LogRecord]) -> Event:
    return asked(**_who(draw, records), **_call(draw))  # type: ignore[arg-type]


def _begin(draw: DrawFn, _: list[LogRecord]) -> Event:
    org, mid = draw(st.sampled_from(MAILINGS[:2]))
    return begun(
        org,
        mid,
        key=draw(st.sampled_from((*KEYS[org, mid], "stranger", ""))),
        digest=draw(st.sampled_from((bytes(32), b"d" * 32, b"short"))),
        count=draw(st.sampled_from((1, 1, 3, 99_999, 100_001))),
        **_call(draw),  # type: ignore[arg-type]
    )


def _once(draw: DrawFn, records: list[LogRecord]) -> Event:
    kind = draw(st.sampled_from((_by_address, _by_address, _by_rid)))
    hours = draw(st.sampled_from((0, 0, 0, 0, 0, -24, -26, 2)))
    return once(
        kind(draw, records),
        call=draw(st.sampled_from((1025, 1025, 2049, 0))),
        begun_at=START_MS + hours * HOUR_MS,
    )


def _try(draw: DrawFn, records: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    offsets = [offset for offset, _, _, _ in records] or [0]
    rids = st.sampled_from((*offsets, 10**6)).map(lambda offset: rid_of(offset, HOME))
    addresses = st.sampled_from([email for spellings in PEOPLE for email in spellings])
    who = st.one_of(
        *[st.fixed_dictionaries({"email": addresses})] * 3,
        st.fixed_dictionaries({"rid": rids, "email": st.sampled_from(("", "", *PEOPLE[0]))}),
        st.sampled_from(({"email": STRANGER[0]}, {"rid": rid_of(0, HOME + 1)})),
    )
    what = st.fixed_dictionaries(
        {
            "context": st.sampled_from((*CONTEXTS, *LONG_CONTEXTS)).map(comparable),
            "status": st.sampled_from((*[-1] * 8, 0, 1, 3)),
        }
    )
    entries = draw(st.lists(st.builds(lambda a, b: a | b, who, what), max_size=5))
    return tried(entries, org, mid, **_call(draw))  # type: ignore[arg-type]


def _define(draw: DrawFn, _: list[LogRecord]) -> Event:
    kind = draw(st.sampled_from(("api-triggered",) * 9 + ("periodic",)))
    state = draw(st.sampled_from((None, None, None, MailingPhase.ACTIVE, MailingPhase.CREATED)))
    return _definition(draw, *_target(draw), draw(st.integers(0, 8)), kind, state)


def _definition(
    draw: DrawFn,
    org: int,
    mid: int,
    revision: int,
    kind: str = "api-triggered",
    state: MailingPhase | None = None,
) -> Event:
    home = HOMES[org, mid] == HOME
    return defined(
        org,
        mid,
        dedup=draw(st.sampled_from(DedupPolicy)),
        type=kind,
        interval_s=draw(st.sampled_from((0, 15))),
        channels=draw(st.sampled_from(CHANNELS)),
        unknown_recipients=draw(st.sampled_from((*[UnknownRecipients.CREATE] * 4, "REJECT"))),
        hourly_cap=draw(st.sampled_from((0, 0, 1, 2))),
        state=state,
        origin=Origin.REQUEST if home else Origin.COPY,
        revision=0 if home else revision,
        **_call(draw),  # type: ignore[arg-type]
    )


def _switch(draw: DrawFn, _: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    origin = Origin.REQUEST if HOMES[org, mid] == HOME else Origin.COPY
    # Nothing happens in a closed mailing any more, so few are.
    there_and_back = [MailingPhase.SUSPENDED, *[MailingPhase.ACTIVE] * 2] * 5
    return switched(
        draw(st.sampled_from((*there_and_back, *MailingPhase))),
        org,
        mid,
        origin=origin,
        revision=draw(st.integers(1, 8)) if origin is Origin.COPY else 0,
        **_call(draw),  # type: ignore[arg-type]
    )


def _ask_for_pending(draw: DrawFn, records: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    after = draw(st.sampled_from((-1, *(offset for offset, _, _, _ in records))))
    limit = draw(st.sampled_from((-1, 1, 2, 1000)))
    return pending_asked(org, mid, after=after, limit=limit, **_call(draw))  # type: ignore[arg-type]


def _invoke(draw: DrawFn, _: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    origin = draw(st.sampled_from(Origin))
    return invoked(
        org,
        mid,
        origin=origin,
        revision=draw(st.integers(1, 6)) if origin is Origin.COPY else 0,
        invocation=draw(st.integers(1, 3)) if origin is Origin.TIMER else 0,
        **_call(draw),  # type: ignore[arg-type]
    )


def _query(draw: DrawFn, _: list[LogRecord]) -> Event:
    org, mid = _target(draw)
    return queried(org, draw(st.sampled_from((0, mid))), **_call(draw))  # type: ignore[arg-type]


def _garbage(draw: DrawFn, _: list[LogRecord]) -> Event:
    return draw(st.sampled_from(GARBAGE))


def _again(draw: DrawFn, records: list[LogRecord]) -> Event:
    """The same bytes produced twice, as a retrying producer does."""
    if not records:
        return GARBAGE[0]
    _, key, value, _ = draw(st.sampled_from(records))
    return key, value
