"""The parameters of the pipelines, as the table that stands in the README."""

from counterfoil.settings import PipelineSettings
from pipelines.parameters import INPUT_VERSION, PIPELINES, Parameter, parameters

_HEADER = ("parameter", "pipeline", "default", "meaning")
_ALL = "both"


def as_markdown() -> str:
    """The parameters of all pipelines as a Markdown table, each once, with the defaults of unset settings."""
    unset = PipelineSettings.model_construct()  # the environment of whoever asks is no default
    declared = {name: parameters(name, unset) for name in PIPELINES}
    each = dict.fromkeys(parameter for name in PIPELINES for parameter in declared[name])
    rows = [_row(parameter, [name for name in PIPELINES if parameter in declared[name]]) for parameter in each]
    # What all pipelines have comes first.
    rows.sort(key=lambda row: row[1] != _ALL)
    lines = [_HEADER, ("---",) * len(_HEADER), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _row(parameter: Parameter, pipelines: list[str]) -> tuple[str, str, str, str]:
    where = _ALL if len(pipelines) == len(PIPELINES) else ", ".join(pipelines)
    return f"`{parameter.name}`", where, _default(parameter), parameter.meaning


def _default(parameter: Parameter) -> str:
    if parameter.default is not None:
        return f"`{parameter.default}`"
    return "from the files" if parameter.name == INPUT_VERSION else "required"
