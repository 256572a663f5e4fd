"""Why a step was not taken from the cache, in words."""

from collections.abc import Mapping, Sequence

from pipelines.local.key import Channel, Components

_NAMED = 3


def differences(old: Components, new: Components) -> list[str]:
    """Return what differs between an earlier run of a step and this one, a line each; empty if nothing does."""
    lines = [
        f"{name}: {_shown(before)} -> {_shown(after)}"
        for name in ("image", "entrypoint", "instances")
        if (before := getattr(old, name)) != (after := getattr(new, name))
    ]
    lines += _values("argument", _options(old.arguments), _options(new.arguments))
    lines += [f"environment: {change}" for change in _changes(old.environment, new.environment)]
    lines += [f"output {change}" for change in _changes(old.outputs, new.outputs)]
    for name in [*old.inputs, *(name for name in new.inputs if name not in old.inputs)]:
        lines += _input(name, old.inputs.get(name), new.inputs.get(name))
    lines += [f"code: {change}" for change in _some(_changes(old.code, new.code))]
    return lines


def _input(name: str, old: Channel | None, new: Channel | None) -> list[str]:
    if old is None or new is None:
        return [f"input {name}: {'new' if old is None else 'gone'}"]
    lines = []
    if old.path != new.path:
        lines.append(f"input {name}: {old.path} -> {new.path}")
    if old.distribution != new.distribution:
        lines.append(f"input {name}: {old.distribution} -> {new.distribution}")
    return lines + _objects(name, old.objects, new.objects)


def _objects(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = sorted(key for key in old.keys() & new.keys() if old[key] != new[key])
    counted = (
        (changed, f"of {len(old):,} objects changed"),
        (sorted(new.keys() - old.keys()), "objects are new"),
        (sorted(old.keys() - new.keys()), "objects are gone"),
    )
    return [f"input {name}: {len(names):,} {what}: {', '.join(_some(names))}" for names, what in counted if names]


def _options(arguments: Sequence[str]) -> dict[str, str]:
    """Options with their values; other arguments by their place."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        if first.startswith("--") and rest and not rest[0].startswith("--"):
            found[first] = rest.pop(0)
        else:
            found[first if first.startswith("--") else f"number {len(arguments) - len(rest)}"] = first
    return found


def _values(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    names = [*old, *(name for name in new if name not in old)]
    return [
        f"{what} {name}: {old.get(name, '(none)')} -> {new.get(name, '(none)')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    changed = [f"{name} changed" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    added = [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    return changed + added + [f"{name} is gone" for name in sorted(old.keys() - new.keys())]


def _some(names: Sequence[str]) -> list[str]:
    more = [f"and {len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return [*names[:_NAMED], *more]


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
