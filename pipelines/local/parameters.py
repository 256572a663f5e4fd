"""A pipeline's parameters: the texts that people give, as the types that the definition declares."""

from collections.abc import Callable, Mapping
from typing import Any

from counterfoil.errors import UsageError

_CONVERTED: Mapping[str, Callable[[str], Any]] = {
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: {"true": True, "false": False}[text.lower()],
}


def typed_parameters(declared: list[Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return the given values in their types. Raises UsageError naming parameter, value and what is allowed.

    What is left to find (parameters without a value) is found by the SDK as SageMaker finds it.
    """
    by_name = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in by_name:
            raise UsageError(f"unknown parameter {name!r}: there are {', '.join(by_name)}")
    return {name: _typed(by_name[name], value) for name, value in given.items()}


def _typed(parameter: Any, text: str) -> Any:
    kind = parameter.parameter_type.value
    try:
        value = _CONVERTED.get(kind, str)(text)
    except (ValueError, KeyError):
        raise UsageError(f"parameter {parameter.name!r}: {text!r} is no {kind}") from None
    allowed = getattr(parameter, "enum_values", None)
    if allowed and value not in allowed:
        raise UsageError(f"parameter {parameter.name!r}: {text!r} is none of {', '.join(map(str, allowed))}")
    return value
