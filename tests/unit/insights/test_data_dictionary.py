"""The data dictionary is made of the tables' declaration, and says something of each column."""

from counterfoil.domain.tables import TABLES
from counterfoil.insights.data_dictionary import PAGE, dictionary


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == dictionary(), "run python -m counterfoil.insights.data_dictionary"


def test_every_column_of_every_table_has_its_meaning() -> None:
    for table in TABLES:
        section = dictionary().partition(f"## {table.name}\n")[2].partition("\n## ")[0]
        for column in table.columns:
            assert column.about
            assert f"| `{column.name}` |" in section
            assert column.about in section
