"""What the local session does of SageMaker Pipelines, as the table that stands in the README."""

from collections.abc import Sequence
from itertools import groupby

from pipelines.local.support import SUPPORT, Feature
from pipelines.markdown import as_table


def as_markdown(features: Sequence[Feature] = SUPPORT) -> str:
    """The features as a Markdown table: area by area, what is done before what is refused.

    Features that share all but the name share a row.
    """
    areas = list(dict.fromkeys(feature.area for feature in features))
    ordered = sorted(features, key=lambda f: (areas.index(f.area), not f.supported))
    rows = [
        (area, _named([feature.name for feature in alike]), "yes" if supported else "refused", note)
        for (area, supported, note), alike in groupby(ordered, lambda f: (f.area, f.supported, f.note))
    ]
    return as_table(("area", "feature", "here", "how; or what to do instead"), rows)


def _named(names: Sequence[str]) -> str:
    """Names as one: 'Model step' and 'Lambda step' are 'Model, Lambda steps'."""
    if len(names) > 1 and all(name.endswith(" step") for name in names):
        return f"{', '.join(name.removesuffix(' step') for name in names)} steps"
    return ", ".join(names)
