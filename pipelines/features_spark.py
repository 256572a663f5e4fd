"""The step `features` on Spark, for lakes that no single machine holds; it takes the place of `builders.features`.

The local session does not run it: there `features` on DuckDB gives the same evidence.
"""

from typing import TYPE_CHECKING, Any

from counterfoil.domain.tables import LABELS_TABLE, TRANSACTIONS
from counterfoil.steps.options import SparkFeaturesOptions
from pipelines.builders import FEATURES
from pipelines.jobs import Site, environment, network, output_of, retry_policies, tags

if TYPE_CHECKING:
    from sagemaker.mlops.workflow.steps import ProcessingStep

CONTAINER = "features-spark"
APP = "code/features_spark/main.py"
"""Where the bucket has containers/features_spark/main.py: the SDK takes no script from inside of an image."""


def features_on_spark(
    site: Site,
    collected: "ProcessingStep",
    *,
    scope: str,
    since: Any,
    until: Any,
    instances: Any = 4,
    instance_type: Any = "ml.r5.4xlarge",
) -> "ProcessingStep":
    """Evidence as `builders.features` makes it, by a cluster of `instances` machines.

    Same name, arguments and output channels, so that the steps after it need not know. Spark reads payments from
    S3 and writes evidence there itself, instead of copying all of the lake to each of its machines first.
    """
    evidence, summary = (site.output(FEATURES.step, channel) for channel in FEATURES.outputs)
    options = site.arguments(
        SparkFeaturesOptions, since=since, until=until, scope=scope,
        lake_uri=site.lake(TRANSACTIONS).uri,
        transactions_uri=output_of(collected, TRANSACTIONS).uri,
        labels_uri=site.lake(LABELS_TABLE).uri,
        new_labels_uri=output_of(collected, LABELS_TABLE).uri,
        evidence_uri=evidence.s3_output.s3_uri,
    )  # fmt: skip
    run = _processor(site, instances, instance_type).run(
        submit_app=f"s3://{site.settings.bucket}/{APP}",
        outputs=[evidence, summary],
        arguments=[FEATURES.step, *(part for option in options.items() for part in option)],
    )
    return _step(run)


def _processor(site: Site, instances: Any, instance_type: Any) -> Any:
    from sagemaker.core.spark.processing import PySparkProcessor

    settings = site.settings
    return PySparkProcessor(
        role=settings.step_roles.get(FEATURES.step, settings.role),
        # Our image is SageMaker's Spark image (its version is in the Dockerfile) and our package.
        image_uri=f"{settings.registry}/counterfoil-{CONTAINER}:{settings.image_tag}",
        instance_type=instance_type,
        instance_count=instances,
        volume_size_in_gb=500,
        max_runtime_in_seconds=FEATURES.hours * 3600,
        env=environment(settings),
        tags=tags(settings),
        network_config=network(settings),
        sagemaker_session=site.session,
    )


def _step(run: Any) -> "ProcessingStep":
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep

    return ProcessingStep(
        name=FEATURES.step,
        step_args=run,
        property_files=[PropertyFile(name=name, output_name=name, path=path) for name, path in FEATURES.property_files],
        cache_config=CacheConfig(enable_caching=FEATURES.cached, expire_after="P30D"),
        retry_policies=retry_policies(),
    )
