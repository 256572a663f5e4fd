"""Objects that wrap an array of records, as `{"Records": [...]}`: where the array begins and ends in them."""

import json
import re
from dataclasses import dataclass

LOOK_AHEAD = 1 << 16
"""So many characters may stand in a wrapper before its array, and so many after it."""
_USUAL = "Records"
"""As AWS writes its events; other keys are named by the mapping."""

_TEXT = r'"(?:[^"\\]|\\.)*"'
_FLAT = rf'\{{(?:[^{{}}"]|{_TEXT})*\}}'
_OBJECT = rf'\{{(?:[^{{}}"]|{_TEXT}|{_FLAT})*\}}'
_LIST = rf'\[(?:[^\[\]{{}}"]|{_TEXT}|{_FLAT})*\]'
_MEMBER = rf"{_TEXT}\s*:\s*(?:{_TEXT}|{_OBJECT}|{_LIST}|[-+.\w]+)\s*"


@dataclass(frozen=True)
class Wrapper:
    """What stands before the records of a wrapper, up to its array, and what after them."""

    begin: re.Pattern[str]
    end: re.Pattern[str]


def wrapper_at(path: str) -> Wrapper:
    """Return the wrapper whose array is at a dotted path; other members of it are passed over."""
    keys = [re.escape(json.dumps(key, ensure_ascii=False)) for key in path.split(".")]
    begin = "".join(rf"\{{\s*(?:(?!{key}\s*:){_MEMBER},\s*)*{key}\s*:\s*" for key in keys)
    end = rf"\s*(?:,\s*{_MEMBER})*\}}" * len(keys)
    return Wrapper(re.compile(rf"{begin}\["), re.compile(rf"\]{end}"))


def usual_wrapper(text: str) -> Wrapper | None:
    """Return the wrapper that a file is known to have by its first characters."""
    return wrapper_at(_USUAL) if re.match(rf'\s*\{{\s*"{_USUAL}"\s*:\s*\[\s*[\{{\]]', text) else None
