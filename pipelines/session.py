"""Sessions of the SageMaker SDK: one that reaches nothing, and one for the account that boto3 finds."""

from typing import Any

from counterfoil.workspace.settings import PipelineSettings
from pipelines.telemetry import SDK_CONFIG, silence_sdk


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
