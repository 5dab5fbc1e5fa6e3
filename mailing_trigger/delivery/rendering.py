"""Templates and a send become the content of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailing_trigger.delivery.errors import Refused
from mailing_trigger.delivery.message import Content, value_of
from schemas.records import Channel

if TYPE_CHECKING:
    from jinja2 import BaseLoader

    from mailing_trigger.delivery.message import Send

SUBJECT, HTML, PLAIN, SMS = "subject.txt", "body.html", "body.txt", "sms.txt"
# What a recipient asked for by `contentType`; both bodies when nothing else is said.
_HTML_ONLY: Final = 1
_PLAIN_ONLY: Final = 2
_LONGEST = 1024 * 1024
# All that a template may name of a recipient; what is not known of one is empty.
PROFILE = (
    "email",
    "firstName",
    "lastName",
    "gender",
    "birthDate",
    "address1",
    "address2",
    "city",
    "region",
    "postalCode",
    "countryCode",
    "languageCode",
    "phone1",
    "phone2",
    "smsContact",
)


class Renderer:
    """Renders with the templates that *loader* finds under ``ORGID/MID/``.

    Not *by_mailing*: with the same ones for everybody, at the loader's root.
    """

    def __init__(self, loader: BaseLoader, *, by_mailing: bool = True) -> None:
        self._by_mailing = by_mailing
        # A misspelt name must not become a hole in somebody's mail, hence StrictUndefined.
        self._templates = ImmutableSandboxedEnvironment(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=select_autoescape(("html",), default_for_string=False, default=False),
            finalize=lambda value: "" if value is None else value,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def mistakes(self) -> list[str]:
        """Return what no template engine would take, a line each."""
        found = []
        for name in self._templates.list_templates(extensions=("html", "txt")):
            try:
                self._templates.get_template(name)
            except TemplateSyntaxError as exc:
                found.append(f"{exc.name or name}, line {exc.lineno}: {exc.message}")
            except (TemplateNotFound, UnicodeDecodeError):
                found.append(f"{name}: it is no text in UTF-8")
        return found

    def render(self, send: Send) -> Content:
        """Return the content of *send*; Refused when its templates do not give one."""
        variables = _variables(send)
        if send.channel is Channel.SMS:
            return Content(plain=self._need(SMS, send, variables).strip())
        wanted = send.profile.get("contentType")
        html = self._have(HTML, send, variables) if wanted != _PLAIN_ONLY else None
        plain = self._have(PLAIN, send, variables) if wanted != _HTML_ONLY else None
        if html is None and plain is None:
            # A mail in the other form is better than none.
            html = self._have(HTML, send, variables)
            plain = self._need(PLAIN, send, variables) if html is None else None
        subject = _one_line(self._need(SUBJECT, send, variables))
        return Content(subject=subject, html=html, plain=plain)

    def _need(self, file: str, send: Send, variables: dict[str, Any]) -> str:
        text = self._have(file, send, variables)
        if text is None:
            raise Refused("NO_TEMPLATE", f"{self._name(file, send)} is not there")
        return text

    def _have(self, file: str, send: Send, variables: dict[str, Any]) -> str | None:
        """Return the text of a template, None when there is no such template."""
        name = self._name(file, send)
        try:
            template = self._templates.get_template(name)
        except TemplateNotFound:
            return None
        except TemplateError as exc:
            raise _failed(name, exc) from exc
        try:
            text = template.render(variables)
        except Exception as exc:
            raise _failed(name, exc) from exc
        if len(text) > _LONGEST:
            raise Refused("TOO_LONG", f"{name} makes more than {_LONGEST} characters of it")
        return text

    def _name(self, file: str, send: Send) -> str:
        return f"{send.orgid}/{send.mid}/{file}" if self._by_mailing else file


def _variables(send: Send) -> dict[str, Any]:
    known = {name: send.profile.get(name, "") for name in PROFILE}
    return known | {
        "name": send.name,
        "profileData": send.profile.get("profileData", {}),
        "context": value_of(send.context) if send.context else None,
        "context_text": send.context.decode("utf-8", "replace"),
        "send_id": send.send_id,
        "orgid": send.orgid,
        "mid": send.mid,
        "invocation": send.invocation,
        "rid": send.rid,
    }


def _one_line(text: str) -> str:
    """Return *text* as a header may have it: no line breaks, no control characters."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _failed(name: str, exc: Exception) -> Refused:
    # Only these say nothing but names of the template's own.
    said = exc.message if isinstance(exc, TemplateSyntaxError | UndefinedError) else ""
    return Refused("TEMPLATE_FAILED", f"{name}: {type(exc).__name__} {said}".rstrip())
