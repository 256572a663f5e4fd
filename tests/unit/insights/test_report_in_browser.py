"""The report in a real browser: wide, narrow, dark and printed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from in_chromium import LOOKS, Look, faults, opened, overflows, picture
from report_of import report_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def page_file(make_lake: Callable[..., Any], payments: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report as a file, with names that a page must not take for its own code."""
    root = tmp_path_factory.mktemp("report")
    hostile = payments["merchant_id"].mask(payments.index % 7 == 0, "<img src=x onerror=alert(1)>")
    make_lake(root / "lake", payments.assign(merchant_id=hostile))
    path = root / "report.html"
    path.write_text(report_of(root), encoding="utf-8")
    return path


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_it_reads_well_alone_and_for_everybody(browser: Any, page_file: Path, look: Look) -> None:
    with opened(browser, page_file.as_uri(), page_file.as_uri(), look) as (page, seen):
        assert page.locator("h1").inner_text() == "Counterfoil insight report"
        assert page.locator("figure svg").count() >= 3
        assert overflows(page) == []
        assert faults(page) == []
        picture(page, page_file.with_name(f"{look.name}.png"))
        assert (seen.errors, seen.requests) == ([], [])


def test_a_table_is_sorted_by_the_column_that_one_presses(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file.as_uri(), page_file.as_uri(), LOOKS[0]) as (page, seen):
        table = page.locator("section > .scroll table.sortable").filter(has=page.locator("th.number")).first
        place = table.locator("thead th").evaluate_all("all => all.findIndex(one => one.classList.contains('number'))")
        cells = f"tbody tr td:nth-child({place + 1})"
        for order in ("descending", "ascending"):
            table.locator("thead th").nth(place).get_by_role("button").press("Enter")
            assert table.locator("thead th").nth(place).get_attribute("aria-sort") == order
            shown = table.locator(cells).evaluate_all("all => all.map(one => one.dataset.key)")
            keys = [float(key) for key in shown if key]
            assert len(set(keys)) > 1
            assert keys == sorted(keys, reverse=order == "descending")
        assert seen.errors == []


def test_it_can_be_printed(browser: Any, page_file: Path) -> None:
    with opened(browser, page_file.as_uri(), page_file.as_uri(), LOOKS[2]) as (page, _):
        printed = page.pdf(path=page_file.with_suffix(".pdf"), format="A4")
        assert 2 <= printed.count(b"/Type /Page\n") <= 40
        page.emulate_media(media="print")
        assert page.locator("nav").first.is_hidden()
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
        picture(page, page_file.with_name("printed.png"))
