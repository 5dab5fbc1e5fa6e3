"""Templates and a send become a message, or a reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import DictLoader

from mailing_trigger.deliver import renderer_of
from mailing_trigger.delivery.errors import Refused
from mailing_trigger.delivery.rendering import Renderer
from mailing_trigger.errors import CommandError
from tests.support.sends import send

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = {"2/1/subject.txt": "Hello"}
BOTH = SUBJECT | {"2/1/body.html": "<p>html</p>", "2/1/body.txt": "plain"}


def renderer(templates: dict[str, str]) -> Renderer:
    return Renderer(DictLoader(templates))


def plain(template: str, **fields: Any) -> str | None:
    """What *template* makes of a send, as a plain mail."""
    return renderer(SUBJECT | {"2/1/body.txt": template}).render(send(**fields)).plain


def refused(templates: dict[str, str], **fields: Any) -> Refused:
    with pytest.raises(Refused) as raised:
        renderer(templates).render(send(**fields))
    return raised.value


@pytest.mark.parametrize(
    ("content_type", "html", "text"),
    [
        pytest.param(None, "<p>html</p>", "plain", id="nothing said"),
        pytest.param(1, "<p>html</p>", None, id="html"),
        pytest.param(2, None, "plain", id="plain"),
        pytest.param(3, "<p>html</p>", "plain", id="both"),
    ],
)
def test_a_recipient_gets_the_bodies_asked_for(
    content_type: int | None, html: str | None, text: str | None
) -> None:
    content = renderer(BOTH).render(send(contentType=content_type))
    assert (content.html, content.plain) == (html, text)


def test_the_other_body_is_better_than_none() -> None:
    only_html = {name: text for name, text in BOTH.items() if name != "2/1/body.txt"}
    only_text = {name: text for name, text in BOTH.items() if name != "2/1/body.html"}
    assert renderer(only_html).render(send(contentType=2)).html == "<p>html</p>"
    assert renderer(only_text).render(send(contentType=1)).plain == "plain"


def test_a_template_sees_profile_and_context_and_a_number_keeps_its_digits() -> None:
    said = plain(
        "{{ name }}|{{ city }}|{{ profileData.size }}|{{ context.price }}|{{ context.id }}",
        firstName="Ada",
        lastName="Byron",
        profileData={"size": "1.50"},
        context=b'{"price": 1.10, "id": 123456789012345678901234567890}',
    )
    assert said == "Ada Byron||1.50|1.10|123456789012345678901234567890"


def test_a_context_that_is_no_json_is_text() -> None:
    assert plain("{{ context }}", context=b"{not json") == "{not json"


def test_null_in_a_context_is_nothing_and_not_the_word_none() -> None:
    assert plain("<{{ context.a }}>", context=b'{"a": null}') == "<>"


def test_html_is_escaped_and_plain_text_is_not() -> None:
    templates = SUBJECT | {"2/1/body.html": "{{ firstName }}", "2/1/body.txt": "{{ firstName }}"}
    content = renderer(templates).render(send(firstName="<b>&"))
    assert (content.html, content.plain) == ("&lt;b&gt;&amp;", "<b>&")


def test_a_subject_is_one_line_without_control_characters() -> None:
    templates = BOTH | {"2/1/subject.txt": "Hello {{ firstName }}\n"}
    content = renderer(templates).render(
        send(firstName="Eve\r\nBcc: all@example.com\x00\x1b[31m\u2028x")
    )
    assert content.subject == "Hello Eve Bcc: all@example.com[31m x"


def test_a_text_message_has_a_template_of_its_own() -> None:
    content = renderer({"2/1/sms.txt": "Hi {{ firstName }}\n"}).render(
        send(channel="SMS", firstName="Ada", smsContact="+31612345678")
    )
    assert (content.plain, content.html, content.subject) == ("Hi Ada", None, "")


def test_a_mailing_without_templates_is_refused_not_sent_something_else() -> None:
    error = refused({"default/body.txt": "no", "3/1/body.txt": "another organisation's"})
    assert error.reason == "NO_TEMPLATE"
    assert "2/1/" in error.detail


@pytest.mark.parametrize(
    ("template", "said"),
    [
        pytest.param("{{ fistName }}", "'fistName' is undefined", id="a misspelt name"),
        pytest.param("{{ context.price }}", "UndefinedError", id="no such member of the context"),
        pytest.param("{{ 1 / 0 }}", "ZeroDivisionError", id="a mistake in arithmetic"),
        pytest.param("{{ ''.__class__.__mro__ }}", "SecurityError", id="out of the sandbox"),
        pytest.param("{{ context.update(a=1) }}", "SecurityError", id="changing what is given"),
        pytest.param("{% include 'missing.txt' %}", "TemplateNotFound", id="a missing part"),
        pytest.param("{% if %}", "TemplateSyntaxError", id="no template"),
    ],
)
def test_a_template_that_fails_lays_its_message_aside_and_says_why(
    template: str, said: str
) -> None:
    error = refused(SUBJECT | {"2/1/body.txt": template}, context=b"{}", email="ada@example.com")
    assert error.reason == "TEMPLATE_FAILED"
    assert error.detail.startswith("2/1/body.txt: ")
    assert said in error.detail
    assert "ada" not in error.detail


def test_a_message_without_end_is_refused() -> None:
    error = refused(
        SUBJECT | {"2/1/body.txt": "{% for _ in range(9000) %}{{ context }}{% endfor %}"},
        context=b'"%s"' % (b"x" * 200),
    )
    assert error.reason == "TOO_LONG"


def test_the_built_in_templates_make_a_message_of_any_send() -> None:
    built_in = renderer_of(None)
    mail = built_in.render(send(context=b'{"price":1.10}'))
    assert '{"price":1.10}' in (mail.plain or "")
    assert "{&#34;price&#34;:1.10}" in (mail.html or "")
    assert mail.subject == "Mailing 1 for user0@example.com"
    text = built_in.render(send(channel="SMS", smsContact="+31612345678"))
    assert text.plain == "Mailing 1 for +31612345678"


def test_a_folder_of_templates_is_looked_through_before_the_first_message(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--templates"):
        renderer_of(tmp_path / "absent")
    folder = tmp_path / "2" / "1"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Hello", encoding="utf-8")
    (folder / "body.txt").write_text("line one\n{% endif %}\n", encoding="utf-8")
    with pytest.raises(CommandError) as raised:
        renderer_of(tmp_path)
    assert raised.value.evidence[0].startswith("2/1/body.txt, line 2: ")
    (folder / "body.txt").write_text("Hello {{ name or email }}", encoding="utf-8")
    assert renderer_of(tmp_path).render(send()).plain == "Hello user0@example.com"
