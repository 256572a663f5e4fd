"""Questions with values in place of their parameters answer what the questions answer."""

import pytest
import sqlglot

from counterfoil.adapters.folder.tables import FolderTables
from counterfoil.insights.queries import QueryParameters, ask, lake, queries
from counterfoil.insights.standing import STANDING, standing_text

ASKED = QueryParameters(release="r1", review=2.0, top=1000)
VALUES = {**STANDING, "since": "DATE '1970-01-01'", "until": "DATE '2200-01-01'", "release": "'r1'"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alert_volume", "detection_delay", "fraud_by_merchant", "riskiest_accounts"])
def test_a_standing_question_answers_the_same(tables: FolderTables, name: str) -> None:
    """All scores of these tests are allowed, so that the lowest signal that was not is none, and there is no alert."""
    text = standing_text(queries()[name], VALUES)
    with lake(tables, queries()[name].tables | {"scores"}) as database:
        found = database.sql(sqlglot.transpile(text, read="athena", write="duckdb")[0]).to_arrow_table()
    assert found.cast(ask(tables, name, ASKED).schema).equals(ask(tables, name, ASKED))
    assert text.startswith(f"-- {queries()[name].question}\n")
