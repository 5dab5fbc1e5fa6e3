"""An organisation's mailings with their counters, from `mailing.statistics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from starlette.responses import Response

from producers.bridge.gate import authorize
from producers.bridge.problems import Problem
from producers.bridge.trigger import query_of
from producers.contract.listing import chosen, read_list_call
from producers.contract.tables import write_rows
from producers.mailing_statistics import COUNTERS
from schemas.moments import iso_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric
    from starlette.requests import Request

    from producers.bridge.limits import Admission
    from producers.mailing_statistics import MailingStatistics, StatisticsTable

COLUMNS = ("orgid", "mid", "name", "type", "state", "revision", *COUNTERS, "asOf")


class Listing:
    """Lists mailings as *table* has them."""

    def __init__(self, table: StatisticsTable, admission: Admission) -> None:
        self._table = table
        self._admission = admission

    async def list(self, request: Request, *, suffix: str | None = None) -> Response:
        """Answer a page of mailings."""
        call = read_list_call(query_of(request), suffix=suffix)
        authorize(request, call.orgid)
        if not self._table.complete:
            raise Problem(503, "STATISTICS_INCOMPLETE", "mailing.statistics is not read yet")
        with self._admission.ticket():
            page, total = chosen(call, self._table.mailings(call.orgid))
            body = write_rows([_row(each) for each in page], COLUMNS, total, call.format)
        return Response(body, media_type=call.format.media_type)


class BalanceMetric:
    """Whether what was triggered is somewhere; without a sample until all rows are read."""

    def __init__(self, table: StatisticsTable) -> None:
        self._table = table

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        gauge = GaugeMetricFamily(
            "mailing_trigger_balance_off",
            "Mailings whose counters do not add up; anything but 0 is an error of ours",
        )
        if self._table.complete:
            gauge.add_metric([], self._table.off_balance)
        yield gauge


def _row(mailing: MailingStatistics) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(mailing, name) for name in COLUMNS[:-1]}
    row["state"] = mailing.state.lower()
    row["asOf"] = iso_text(mailing.as_of_ms) if mailing.as_of_ms else None
    return row
