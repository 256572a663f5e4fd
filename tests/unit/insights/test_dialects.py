"""What Athena and DuckDB take differently: each function is looked at once, and a file that needs it says so."""

import duckdb
import pytest
import sqlglot
import sqlglot.expressions as exp

from counterfoil.insights.queries import queries

VERSION = "2.0.0"
SAME = {
    "Abs", "And", "Array", "Case", "Cast", "Coalesce", "Count", "Floor", "Greatest", "If", "Lag", "Least", "Ln", "Log",
    "Max", "Min", "Nullif", "RowNumber", "Sum", "TimestampTrunc", "TsOrDsDiff", "Unnest",
}  # fmt: skip
"""Functions that were looked at, in Athena's engine 3 (Trino's documentation) and in DuckDB 2.0.0 (tried below)."""
DIFFER = {exp.DateDiff: "date_diff", exp.Greatest: "greatest", exp.Least: "least"}
"""Those that mean something else there, and the word by which a file says what that does to it."""


def _comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.startswith("--"))


@pytest.mark.parametrize("name", list(queries()))
class TestEveryQuery:
    def test_uses_functions_that_were_looked_at_only(self, name: str) -> None:
        found = sqlglot.parse_one(queries()[name].athena(), read="athena")
        used = {type(node).__name__ for node in found.find_all(exp.Func) if not isinstance(node, exp.Anonymous)}
        used |= {node.name for node in found.find_all(exp.Anonymous)}
        assert used <= SAME | {kind.__name__ for kind in DIFFER}, used

    def test_says_where_the_engines_differ(self, name: str) -> None:
        text = queries()[name].text
        told = _comments(text)
        for kind, word in DIFFER.items():
            if any(sqlglot.parse_one(text, read="athena").find_all(kind)):
                assert word in told, word
                assert "Athena engine 3" in told
                assert f"DuckDB {VERSION}" in told

    def test_divides_doubles_only(self, name: str) -> None:
        """Athena divides integers to integers, and decimals to the places of their types; DuckDB to doubles."""
        whole = sqlglot.parse_one(queries()[name].text, read="athena")
        for division in whole.find_all(exp.Div):
            left = division.this
            doubles = {"anomaly_signal", "share"}
            cast = isinstance(left, exp.Cast) and left.to.this == exp.DType.DOUBLE
            assert cast or {column.name for column in left.find_all(exp.Column)} <= doubles, division.sql()
            assert cast or any(left.find_all(exp.Column)), division.sql()


def test_duckdb_means_what_the_files_say() -> None:
    assert duckdb.__version__ == VERSION, "look at the functions again, then name the new version in the files"
    said = duckdb.sql(
        """SELECT
          date_diff('second', TIMESTAMP '2026-01-01 00:00:00.9', TIMESTAMP '2026-01-01 00:00:01.1'),
          date_diff('day', DATE '2026-01-01', DATE '2026-01-29'),
          greatest(NULL, 1), least(NULL, 9),
          CAST(date_trunc('week', DATE '2026-11-29') AS date) = DATE '2026-11-23',
          2 * log10(0.01), nullif(0, 0), CAST(7 AS double) / 2
        """
    ).fetchall()
    assert said == [(1, 28, 1, 9, True, -4.0, None, 3.5)]
    order = "SELECT list(x ORDER BY x), list(x ORDER BY x DESC) FROM (VALUES (1), (NULL), (0)) AS t(x)"
    assert duckdb.sql(order).fetchall() == [([0, 1, None], [1, 0, None])]  # nulls last both ways, as in Athena
