"""IAM's answer to a request, from the synthesised policies: an explicit deny, else an allow, else no."""

import re
from collections.abc import Iterable, Mapping, Sequence

from infra.permissions import Permission

ACCOUNT = {"AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1"}
Context = Mapping[str, str]


def allowed(found: Iterable[Permission], role: str, action: str, resource: str, context: Context) -> bool:
    """Tell whether a role may do an action on a resource (its ARN, in `ACCOUNT`)."""
    effects = {one.effect for one in found if one.role == role and _applies(one, action, resource, context)}
    return effects == {"Allow"}


def _applies(one: Permission, action: str, resource: str, context: Context) -> bool:
    return (
        any(matches(pattern.lower(), action.lower()) for pattern in one.actions)
        and any(matches(_named(pattern), resource) for pattern in one.resources)
        and all(
            _holds(operator, key, values if isinstance(values, list) else [values], context)
            for operator, wanted in one.conditions.items()
            for key, values in wanted.items()
        )
    )


def _named(pattern: str) -> str:
    """A resource whose account, region and partition are filled in; other references stand as `<...>`."""
    return re.sub(r"<(AWS::\w+)>", lambda found: ACCOUNT.get(found[1], found[0]), pattern)


def matches(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any text, `?` is one character, and case counts."""
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(text, value, re.DOTALL) is not None


def _holds(operator: str, key: str, values: Sequence[object], context: Context) -> bool:
    """A condition on a key that the request does not carry does not hold. An operator not known here raises."""
    name = operator.removeprefix("ForAnyValue:")
    if name not in ("StringEquals", "StringLike", "ArnEquals"):
        raise NotImplementedError(f"condition {operator} on {key}: simulate it here before a policy uses it")
    if key not in context:
        return False
    like = name != "StringEquals"
    return any(matches(str(value), context[key]) if like else value == context[key] for value in values)
