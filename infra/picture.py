"""The architecture, drawn from the templates: `python -m infra.picture FOLDER` writes infra/architecture.svg.

A box for each stack with what it holds, counted; an arrow for each stack whose exports another one reads.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from infra.command_line import templates_folder

PICTURE = Path(__file__).with_name("architecture.svg")
_WIDTH, _LINE, _GAP, _COLUMNS = 290, 17, 46, 3
_QUIET = ("Policy", "Attachment", "Association", "Permission", "Alias", "Route", "Egress", "Ingress", "Mapping", "EIP")
"""Ends of types that belong to another resource."""


@dataclass(frozen=True)
class Box:
    """A stack: its name without the environment, its lines, and the stacks whose exports it reads."""

    name: str
    lines: tuple[str, ...]
    reads: tuple[str, ...]

    @property
    def height(self) -> int:
        """In pixels."""
        return (len(self.lines) + 2) * _LINE


def boxes(templates: Mapping[str, Mapping[str, Any]], prefix: str) -> list[Box]:
    """The stacks, those that others read first."""
    found = {name: _box(name, template, prefix) for name, template in templates.items()}
    depth = {name: _depth(name, found) for name in found}
    return [found[name] for name in sorted(found, key=lambda name: (depth[name], name))]


def _box(name: str, template: Mapping[str, Any], prefix: str) -> Box:
    kinds = Counter(one["Type"].removeprefix("AWS::").replace("::", " ") for one in template["Resources"].values())
    shown = sorted(kind for kind in kinds if not kind.endswith(_QUIET))
    lines = tuple(kind if kinds[kind] == 1 else f"{kinds[kind]} x {kind}" for kind in shown)
    return Box(name.removeprefix(prefix), lines, tuple(sorted(_imports(template))))


def _imports(value: Any) -> set[str]:
    """The stacks that a template imports from."""
    if isinstance(value, Mapping):
        mine = {value["Fn::ImportValue"].partition(":")[0]} if isinstance(value.get("Fn::ImportValue"), str) else set()
        return mine.union(*map(_imports, value.values()))
    return set().union(*map(_imports, value)) if isinstance(value, list) else set()


def _depth(name: str, found: Mapping[str, Box]) -> int:
    return 1 + max((_depth(other, found) for other in found[name].reads), default=0)


def svg(shown: Sequence[Box], prefix: str) -> str:
    """The picture, three boxes a row."""
    places, y = {}, _GAP
    parts = []
    for start in range(0, len(shown), _COLUMNS):
        row = shown[start : start + _COLUMNS]
        for column, box in enumerate(row):
            places[box.name] = (_GAP + column * (_WIDTH + _GAP), y, box.height)
            parts.append(_drawn(box, *places[box.name][:2]))
        y += max(box.height for box in row) + _GAP
    arrows = [_arrow(places[box.name], places[name.removeprefix(prefix)]) for box in shown for name in box.reads]
    width = _GAP + _COLUMNS * (_WIDTH + _GAP)
    title = "Counterfoil on AWS: stacks, what they hold, and whose exports they read"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n"
        "<style>text{font:12px sans-serif;fill:#24292f}.n{font-weight:bold;font-size:14px}"
        "rect{fill:#f6f8fa;stroke:#57606a}path{fill:none;stroke:#0969da;stroke-opacity:.55}</style>\n"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#0969da"/></marker></defs>\n'
        f'<rect width="{width}" height="{y}" style="fill:#fff;stroke:none"/>\n{"".join(arrows)}{"".join(parts)}</svg>\n'
    )


def _drawn(box: Box, x: int, y: int) -> str:
    texts = [f'<text class="n" x="{x + 10}" y="{y + 20}">{escape(box.name)}</text>\n']
    texts += [
        f'<text x="{x + 10}" y="{y + 22 + (at + 1) * _LINE}">{escape(line)}</text>\n'
        for at, line in enumerate(box.lines)
    ]
    return f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{box.height}" rx="6"/>\n{"".join(texts)}'


def _arrow(source: tuple[int, int, int], target: tuple[int, int, int]) -> str:
    """From the upper edge of who reads to the lower edge of who is read, or from side to side in one row."""
    if source[1] == target[1]:
        left = source[0] > target[0]
        x1, x2 = (source[0], target[0] + _WIDTH) if left else (source[0] + _WIDTH, target[0])
        y = source[1] + 14
        return f'<path d="M{x1} {y}L{x2} {y}" marker-end="url(#a)"/>\n'
    x1, y1, x2, y2 = source[0] + _WIDTH // 2, source[1], target[0] + _WIDTH // 2, target[1] + target[2]
    return f'<path d="M{x1} {y1}C{x1} {y1 - 40} {x2} {y2 + 40} {x2} {y2}" marker-end="url(#a)"/>\n'


def main(folder: Path, prefix: str) -> None:
    """Draw the templates in `folder`."""
    paths = sorted(folder.glob("*.template.json"))
    templates = {path.name.removesuffix(".template.json"): json.loads(path.read_text()) for path in paths}
    PICTURE.write_text(svg(boxes(templates, prefix), prefix), encoding="utf-8")


if __name__ == "__main__":
    main(templates_folder(__doc__), "counterfoil-prod-")
