"""From the members of one recipient to its entry, or to what is wrong with each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from producers.contract import fields
from producers.contract.entries import Entry, KnownEntry, OnTheFlyEntry, TriggerCall
from producers.contract.errors import Code, EntryError, Refused
from schemas.ids import identity
from schemas.profiles import NO_PROFILE, write_profile
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producers.contract.sources import Source

V = TypeVar("V")

# Room in an event for what the call itself adds and for the lengths Avro writes.
_OVERHEAD_BYTES = 2048
MAX_ENTRY_BYTES = MAX_EVENT_BYTES - _OVERHEAD_BYTES
# An entry of thousands of bad fields is not worth an error for each.
MAX_ERRORS_AN_ENTRY = 8


class Said(NamedTuple):
    """The accepted fields of one recipient: those that say who it is, and those stored of it."""

    who: Mapping[str, object]
    context: bytes
    profile: Mapping[str, object]


@dataclass(slots=True)
class Reading:
    """Entries and errors of a call while it is read."""

    entries: list[Entry] = field(default_factory=list)
    errors: list[EntryError] = field(default_factory=list)

    def call(self, size: int) -> TriggerCall:
        return TriggerCall(tuple(self.entries), tuple(self.errors), size)

    def refuse(self, index: int, refused: Refused) -> None:
        name = refused.field
        if name is not None:
            known = fields.find(name)
            name = known.name if known else fields.shown(name)
        self.errors.append(EntryError(index, name, refused.code, refused.detail))

    def add_rid(self, index: int, value: object) -> None:
        self.entries.append(KnownEntry(index, fields.rid(value), None, b"", NO_PROFILE))

    def add(self, index: int, members: Iterable[tuple[str, V]], source: Source[V]) -> None:
        """Add the entry that *members* make, or an error for each that is unacceptable."""
        said = self.read(index, members, source)
        if said is not None:
            self.entries.append(_entry(index, *said))

    def read(self, index: int, members: Iterable[tuple[str, V]], source: Source[V]) -> Said | None:
        """Return what *members* say; None after an error for each that is unacceptable."""
        who: dict[str, object] = {}
        profile: dict[str, object] = {}
        context = b""
        seen: set[str] = set()
        errors = 0
        for name, raw in members:
            known = fields.find(name)
            try:
                if known is None:
                    raise Refused(Code.UNKNOWN_FIELD, "there is no such field")  # noqa: TRY301
                if known.name in seen:
                    raise Refused(Code.REPEATED_FIELD, "the field stands twice")  # noqa: TRY301
                seen.add(known.name)
                if known is fields.CONTEXT:
                    context = source.context(raw)
                elif known is fields.PROFILE_DATA:
                    profile_data = source.profile_data(raw)
                    if profile_data is not None:
                        profile[known.name] = profile_data
                elif known.accept is not None:
                    value = source.load(raw)
                    if value is not None:
                        accepted = known.accept(value)
                        (profile if known.profile else who)[known.name] = accepted
            except Refused as refused:
                refused.field = name
                self.refuse(index, refused)
                errors += 1
                if errors == MAX_ERRORS_AN_ENTRY:
                    return None
        if errors:
            return None
        if not source.bounded and _size(context, profile) > MAX_ENTRY_BYTES:
            raise too_large()
        return Said(who, context, profile)


def _entry(
    index: int, who: Mapping[str, object], context: bytes, profile: Mapping[str, object]
) -> Entry:
    email = address_of(who)
    rid = cast("int | None", who.get("rid"))
    if rid is not None:
        # A status beside a rid changes nothing: the message goes by the stored one.
        return KnownEntry(index, rid, email, context, write_profile(profile))
    if email is None:
        detail = "a recipient without a rid needs an address"
        raise Refused(Code.MISSING_EMAIL, detail, field="email")
    status = cast("int | None", who.get("status"))
    return OnTheFlyEntry(index, email, status, context, write_profile(profile))


def address_of(who: Mapping[str, object]) -> str | None:
    """Return the address that a recipient's fields make, if they make one."""
    email = cast("str | None", who.get("email"))
    local = cast("str | None", who.get("localPart"))
    domain = cast("str | None", who.get("domainName"))
    if local is None and domain is None:
        return email
    name = "localPart" if local is not None else "domainName"
    if email is not None:
        email_local, _, email_domain = email.rpartition("@")
        local = email_local if local is None else local
        domain = email_domain if domain is None else domain
        if identity(f"{local}@{domain}") != identity(email):
            detail = "localPart and domainName make another address than email"
            raise Refused(Code.ADDRESS_CONFLICT, detail, field=name)
        return email
    if local is None or domain is None:
        detail = "localPart and domainName make an address only together"
        raise Refused(Code.MISSING_EMAIL, detail, field=name)
    try:
        return fields.email(f"{local}@{domain}")
    except Refused as refused:
        refused.field = name
        raise


def _size(context: bytes, profile: Mapping[str, object]) -> int:
    """Return about how many bytes of an event the caller's values take."""
    size = len(context)
    for value in profile.values():
        if isinstance(value, str):
            size += len(value.encode())
        elif isinstance(value, Mapping):
            size += sum(len(name.encode()) + len(text.encode()) + 8 for name, text in value.items())
    return size


def too_large() -> Refused:
    return Refused(Code.ENTRY_TOO_LARGE, f"a recipient has at most {MAX_ENTRY_BYTES} bytes")
