"""A step as a command of its container: flags, defaults, bounds and help follow from the step's options."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from counterfoil.domain.options import Kind, Option, options_of, text_of

_NUMBERS: dict[Kind, tuple[type, float, float | None]] = {
    Kind.NUMBER: (float, 0, None),
    Kind.SHARE: (float, 0, 1),
    Kind.COUNT: (int, 1, None),
}
"""Kinds that the command line reads as numbers, each with its least and greatest value."""


def container(about: str, *steps: tuple[type, Callable[[Any], None]]) -> typer.Typer:
    """The app of a container: a command for each step, with the class of its options and the function that runs it."""
    app = typer.Typer()

    @app.callback(help=about)
    def _() -> None:  # without it an app of one command would not take the command's name
        pass

    for options, run in steps:
        app.command(run.__name__, help=inspect.getdoc(run))(_command(options, run))
    return app


def _command(options: type, run: Callable[[Any], None]) -> Callable[..., None]:
    declared = options_of(options)

    def command(**given: Any) -> None:
        run(options(**{one.name: _value(one, given[one.name]) for one in declared}))

    command.__signature__ = inspect.Signature(_parameters(declared))  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: _annotation(one) for one in declared}
    return command


def _parameters(declared: Sequence[Option]) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=_annotation(one),
            default=inspect.Parameter.empty if one.required else _default(one),
        )
        for one in declared
    ]


def _annotation(one: Option) -> Any:
    number, least, most = _NUMBERS.get(one.kind, (str, None, None))
    return Annotated[number, typer.Option(one.flag, help=one.meaning, min=least, max=most)]


def _default(one: Option) -> Any:
    return one.default if one.kind in _NUMBERS else text_of(one.default)


def _value(one: Option, given: Any) -> Any:
    return given if one.kind in _NUMBERS else one.value(given)
