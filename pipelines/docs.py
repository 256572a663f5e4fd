"""Tables of the README beside this file that follow from code: the parameters, and what the local session does."""

from collections.abc import Sequence
from itertools import groupby

from counterfoil.workspace.settings import PipelineSettings
from pipelines.local.support import SUPPORT, Feature
from pipelines.parameters import INPUT_VERSION, PIPELINES, Parameter, parameters

_ALL = "all"


def parameters_as_markdown() -> str:
    """The parameters of all pipelines as a Markdown table, each once; first those that all pipelines have."""
    unset = PipelineSettings.model_construct()  # what is set for whoever asks is no default
    declared = {name: parameters(name, unset) for name in PIPELINES}
    each = dict.fromkeys(parameter for name in PIPELINES for parameter in declared[name])
    rows = [_row(parameter, [name for name in PIPELINES if parameter in declared[name]]) for parameter in each]
    return as_table(("parameter", "pipeline", "default", "meaning"), sorted(rows, key=lambda row: row[1] != _ALL))


def _row(parameter: Parameter, having: list[str]) -> tuple[str, str, str, str]:
    where = _ALL if len(having) == len(PIPELINES) else ", ".join(having)
    return f"`{parameter.name}`", where, _default(parameter), parameter.meaning


def _default(parameter: Parameter) -> str:
    if parameter.default is not None:
        return f"`{parameter.default}`"
    return "found by the CLI" if parameter.name == INPUT_VERSION else "required"


def as_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; `<` and `|` in its cells are shown as they are."""
    escaped = [[cell.replace("<", "&lt;").replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *escaped)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])


def session_as_markdown(features: Sequence[Feature] = SUPPORT) -> str:
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
