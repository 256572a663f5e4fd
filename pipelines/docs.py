"""The parameters of the pipelines, as the table that stands in the README."""

from counterfoil.workspace.settings import PipelineSettings
from pipelines.markdown import as_table
from pipelines.parameters import INPUT_VERSION, PIPELINES, Parameter, parameters

_ALL = "all"


def as_markdown() -> str:
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
