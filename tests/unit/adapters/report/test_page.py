"""Tables of a page and of a notebook."""

from datetime import UTC, datetime

import pyarrow as pa

from counterfoil.adapters.report.page import Table, snippet


def test_times_stay_on_one_line() -> None:
    rows = pa.table({"at": [datetime(2026, 3, 1, 9, 30, tzinfo=UTC)], "count": [3], "who": ["Ann"]})
    html = snippet("Rows", tables=[Table("", rows)])
    assert ".counterfoil .time { white-space: nowrap; }" in html
    cells = {line for line in html.replace("<td", "\n<td").splitlines() if line.startswith("<td")}
    assert {cell.split(" data-key")[0] for cell in cells} == {'<td class="time"', '<td class="number"', "<td"}
    assert '<td class="time" data-key="2026-03-01 09:30:00+00:00">2026-03-01 09:30</td>' in html
