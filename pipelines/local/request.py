"""Would SageMaker take this request? Its own service model says: types, required fields, lengths, values."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pipelines.local.errors import ClientError

_LOCAL_PATH = re.compile(r"/|file://")


def check_request(job_name: str, arguments: Mapping[str, Any]) -> None:
    """Raise ClientError naming all that CreateProcessingJob would refuse in a request."""
    from botocore.validate import ParamValidator

    request = {"ProcessingJobName": job_name, **arguments}
    report = ParamValidator().validate(request, _shape())
    found = report.generate_report().splitlines() if report.has_errors() else list(_problems(_shape(), request, ""))
    if found:
        raise ClientError(f"Failed to invoke sagemaker:CreateProcessingJob. Error Details: {'; '.join(found)}")


@cache
def _shape() -> Any:
    """The shape of CreateProcessingJob's input, from the files that come with botocore."""
    import botocore.session

    model = botocore.session.Session().get_service_model("sagemaker")
    return model.operation_model("CreateProcessingJob").input_shape


def _problems(shape: Any, value: Any, where: str) -> Iterator[str]:
    """What botocore leaves to the service: greatest lengths and numbers, lists of values, patterns."""
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _problems(shape.members[name], member, f"{where}.{name}".lstrip("."))
    elif shape.type_name == "list":
        yield from _too_long(shape, len(value), where, "items")
        for number, member in enumerate(value):
            yield from _problems(shape.member, member, f"{where}[{number}]")
    elif shape.type_name == "map":
        yield from _too_long(shape, len(value), where, "entries")
        for name, member in value.items():
            yield from _problems(shape.key, name, f"{where} key {name!r}")
            yield from _problems(shape.value, member, f"{where}[{name!r}]")
    elif shape.type_name == "string":
        yield from _text_problems(shape, value, where)
    elif shape.type_name == "integer":
        yield from _too_long(shape, value, where, "at most")


def _text_problems(shape: Any, value: str, where: str) -> Iterator[str]:
    yield from _too_long(shape, len(value), where, "characters")
    if shape.name == "ContainerArgument" and value == "":
        yield f"{where} is empty: write '-' for an absent value"
    if shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is none of the values that SageMaker knows"
    pattern = shape.metadata.get("pattern")
    if shape.name == "S3Uri" and _LOCAL_PATH.match(value):
        return  # raw files may lie anywhere on this machine
    if pattern and r"\p" not in pattern and not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{where}: {value!r} is not of the form {pattern}"


def _too_long(shape: Any, size: int, where: str, what: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and size > most:
        yield f"{where} has {size} {what}, more than {most}" if what != "at most" else f"{where}: {size} is over {most}"
