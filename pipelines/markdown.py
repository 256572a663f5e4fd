"""Tables in Markdown, for the docs."""

from collections.abc import Sequence


def as_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; `<` and `|` in its cells are shown as they are."""
    escaped = [[cell.replace("<", "&lt;").replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *escaped)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])
