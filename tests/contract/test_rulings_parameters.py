"""Every ruling on the parameters of a call: one row of the table, one query, one verdict."""

from __future__ import annotations

import pytest

from producers.contract.errors import ContractError
from producers.contract.formats import AnswerFormat
from producers.contract.parameters import read_parameters


@pytest.mark.parametrize(
    ("query", "suffix", "code"),
    [
        pytest.param("mid=1", None, "MISSING_PARAMETER", id="no orgid"),
        pytest.param("orgid=2", None, "MISSING_PARAMETER", id="no mid"),
        pytest.param("orgid=0&mid=1", None, "INVALID_PARAMETER", id="orgid 0"),
        pytest.param("orgid=-2&mid=1", None, "INVALID_PARAMETER", id="sign"),
        pytest.param("orgid=%2B2&mid=1", None, "INVALID_PARAMETER", id="plus"),
        pytest.param("orgid=2.0&mid=1", None, "INVALID_PARAMETER", id="fraction"),
        pytest.param("orgid=&mid=1", None, "INVALID_PARAMETER", id="empty"),
        pytest.param(
            "orgid=%D9%A2&mid=1", None, "INVALID_PARAMETER", id="digits of another script"
        ),
        pytest.param("orgid=9007199254740992&mid=1", None, "INVALID_PARAMETER", id="2^53"),
        pytest.param("orgid=2&mid=" + "9" * 5000, None, "INVALID_PARAMETER", id="5,000 digits"),
        pytest.param("orgid=2&mid=1&mid=1", None, "REPEATED_PARAMETER", id="repeated"),
        pytest.param("orgid=2&mid=1&MID=1", None, "UNKNOWN_PARAMETER", id="unknown"),
        pytest.param("orgid=2&mid=%1", None, "INVALID_PARAMETER", id="bad percent sequence"),
        pytest.param("orgid=2&mid=1&format=yaml", None, "INVALID_PARAMETER", id="format unknown"),
        pytest.param(
            "orgid=2&mid=1&format=xml", "csv", "INVALID_PARAMETER", id="format against suffix"
        ),
    ],
)
def test_parameters_that_are_refused(query: str, suffix: str | None, code: str) -> None:
    with pytest.raises(ContractError) as refusal:
        read_parameters(query, suffix=suffix)
    assert (refusal.value.status, refusal.value.code) == (400, code)


@pytest.mark.parametrize(
    ("query", "suffix", "answer_format"),
    [
        pytest.param("orgid=2&mid=9007199254740991", None, AnswerFormat.JSON, id="JSON by default"),
        pytest.param("orgid=2&mid=9007199254740991", "xml", AnswerFormat.XML, id="suffix"),
        pytest.param(
            "format=csv&mid=9007199254740991&orgid=002", None, AnswerFormat.CSV, id="format"
        ),
        pytest.param("orgid=2&mid=9007199254740991&format=csv", "csv", AnswerFormat.CSV, id="both"),
    ],
)
def test_parameters_that_are_accepted(
    query: str, suffix: str | None, answer_format: AnswerFormat
) -> None:
    given = read_parameters(query, suffix=suffix)
    assert (given.orgid, given.mid, given.format) == (2, 2**53 - 1, answer_format)
