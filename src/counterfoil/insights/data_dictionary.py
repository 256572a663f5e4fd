"""The data dictionary: every table of the lake, column by column, from the one declaration of the tables.

`python -m counterfoil.insights.data_dictionary` writes TABLES.md beside this file.
"""

from pathlib import Path

from counterfoil.domain.tables import PUBLISHED_TABLES, TABLES, Table

PAGE = Path(__file__).with_name("TABLES.md")

_HEAD = """# Tables of the lake

Made by `python -m counterfoil.insights.data_dictionary` from `domain/tables.py`, which Glue's tables and their comments
come from as well. Times are UTC. "required": never null. A run of a step is one folder of a table; on AWS it is the
partition key `run`, and readers see only the runs that the table's manifest names. Others read what is published
under `lake/<table>` of a workspace: `pandas.read_parquet(folder)`, `pyarrow.dataset.dataset(folder)`, DuckDB's
`read_parquet('lake/<table>/**/*.parquet')`; where names with a dot are read too, `lake/<table>/runs`.
"""


def dictionary() -> str:
    """The whole page, in Markdown."""
    return _HEAD + "".join(f"\n{_section(table)}" for table in sorted(TABLES, key=lambda table: table.name))


def _section(table: Table) -> str:
    facts = [f"Written by step `{table.step}`"]
    if table.order:
        facts.append("sorted by " + ", ".join(f"`{name}`" for name in table.order))
    facts += ["in folders by `event_date`"] if table.by_date else []
    facts += ["not on AWS's catalogue"] if table.name not in PUBLISHED_TABLES else []
    facts += ["restricted: not in QuickSight"] if table.restricted else []
    facts += ["a mapping or a release adds columns of its own"] if table.open_columns else []
    rows = [
        f"| `{column.name}` | {_type(str(column.type))} | {'required' if column.required else ''} | {column.about} |"
        for column in table.columns
    ]
    table_of_columns = "\n".join(["| column | type | | meaning |", "|---|---|---|---|", *rows])
    return f"## {table.name}\n\n{table.about}. {'; '.join(facts)}.\n\n{table_of_columns}\n"


def _type(kind: str) -> str:
    """An Arrow type as people say it; the fields of a list of structures are long, and told by their names."""
    plain = {"string": "text", "double": "number", "bool": "yes or no", "date32[day]": "day"}
    if kind.startswith("timestamp"):
        return "time"
    if kind.startswith("decimal"):
        return "money, exact"
    if kind.startswith("list"):
        return "list"
    return plain.get(kind, "whole number" if kind.startswith("int") else kind)


if __name__ == "__main__":
    PAGE.write_text(dictionary(), encoding="utf-8")
