"""The SageMaker SDK, imported so that it sends nothing, asks nobody and leaves logging alone."""

import atexit
import importlib
import json
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from counterfoil.errors import UsageError
from counterfoil.workspace.settings import PipelineSettings

SDK_CONFIG: Mapping[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}
"""The SDK's configuration, whole: a user's own defaults (tags, subnets) would make definitions differ by machine."""

# What botocore wants to know when it makes a client. No call is made with it.
_DUMMIES = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nobody",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@cache
def silence_sdk() -> None:
    """Import the SageMaker SDK with its usage data switched off; call it before anything imports `sagemaker`.

    The switch holds for child processes too. The SDK makes a client of its own while it is imported, for which
    botocore would look for a region and ask EC2's metadata service for credentials, and it sets up the root
    logger: here it finds dummies for that moment, and logging is afterwards as it was. Raises UsageError as
    `require_sdk` does.
    """
    require_sdk()
    os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(_config_file())
    with _no_account(), _logging_kept():
        importlib.import_module("sagemaker.mlops.workflow.pipeline")
    _spare_schema_checks()
    _spare_step_clients()
    for name in ("sagemaker", "sagemaker.config"):
        logging.getLogger(name).setLevel(logging.ERROR)


def require_sdk() -> None:
    """Raise UsageError unless version 3 of the SageMaker SDK is installed; what 2 had is elsewhere in 3."""
    try:
        found = version("sagemaker")
    except PackageNotFoundError:
        found = "none"
    if not re.match(r"[3-9]|\d\d", found):
        raise UsageError(
            f"pipelines need version 3 of the SageMaker SDK, and here is {found}: install counterfoil[aws], "
            "or counterfoil[demo] to run them here only"
        )


def _spare_schema_checks() -> None:
    """Let the SDK check its configuration without checking the schema of it, whenever it looks for a value.

    A pipeline of eight steps looks 150 times: 11 of the 14 seconds that its definition took.
    """
    from sagemaker.core.config import config, config_schema
    from sagemaker.core.config.config_manager import SageMakerConfig

    schema = config_schema.SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA
    check = config.jsonschema.validators.validator_for(schema)(schema).validate
    config.validate_sagemaker_config = check
    SageMakerConfig.validate_sagemaker_config = staticmethod(check)


def _spare_step_clients() -> None:
    """Let a processing step ask the class for a method's name; it makes an object with AWS clients to do so.

    That took 2 of the remaining 3 seconds, and looked for a region and credentials again.
    """
    from sagemaker.mlops.workflow import steps

    client = steps.LocalSagemakerClient
    steps.LocalSagemakerClient = lambda: client


def _config_file() -> Path:
    """A file of this process; it is gone when the process is."""
    handle, name = tempfile.mkstemp(prefix="counterfoil-sdk-", suffix=".yaml")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(SDK_CONFIG, file)  # JSON is YAML
    path, owner = Path(name), os.getpid()
    # A forked child must not take the file from its parent.
    atexit.register(lambda: path.unlink(missing_ok=True) if os.getpid() == owner else None)
    return path


@contextmanager
def _no_account() -> Iterator[None]:
    """Let botocore find dummies, forget the session that remembers them, and hear no warning of it."""
    import boto3

    before = {name: os.environ.pop(name, None) for name in (*_DUMMIES, "AWS_PROFILE")}
    session, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, None
    os.environ.update(_DUMMIES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        boto3.DEFAULT_SESSION = session
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Put the root logger's level and handlers back as they were."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def offline_session(settings: PipelineSettings) -> Any:
    """A PipelineSession for definitions. It has dummy credentials only, so that no call could get through."""
    return _session(settings, aws_access_key_id="offline", aws_secret_access_key="offline")


def aws_session(settings: PipelineSettings) -> Any:
    """A PipelineSession with the credentials and endpoints of boto3's own configuration."""
    return _session(settings)


def _session(settings: PipelineSettings, **credentials: str) -> Any:
    silence_sdk()
    import boto3
    from sagemaker.core.workflow.pipeline_context import PipelineSession

    return PipelineSession(
        boto_session=boto3.Session(region_name=settings.region, **credentials),
        # Given, so that the SDK does not ask who we are to make up a bucket's name.
        default_bucket=settings.bucket,
        sagemaker_config=dict(SDK_CONFIG),
    )
