"""What the local session does of SageMaker Pipelines, as the table that stands in the README."""

from collections.abc import Sequence
from itertools import groupby

from pipelines.local.support import SUPPORT, Feature

_HEADER = ("area", "feature", "here", "how; or what to do instead")


def as_markdown(features: Sequence[Feature] = SUPPORT) -> str:
    """The features as a Markdown table, in their order; neighbours that share all but the name share a row."""
    rows = [
        (area, _named([feature.name for feature in alike]), "yes" if supported else "refused", note)
        for (area, supported, note), alike in groupby(features, lambda f: (f.area, f.supported, f.note))
    ]
    lines = [_HEADER, ("---",) * len(_HEADER), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _named(names: Sequence[str]) -> str:
    """Names as one: 'Model step' and 'Lambda step' are 'Model, Lambda steps'."""
    if len(names) > 1 and all(name.endswith(" step") for name in names):
        return f"{', '.join(name.removesuffix(' step') for name in names)} steps"
    return ", ".join(names)
