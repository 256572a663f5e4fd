"""Image repositories stand before anything that needs an image."""

from synthesised import Synthesised

from infra.repositories import IMAGES


def test_tags_cannot_be_moved_and_images_are_scanned(prod: Synthesised) -> None:
    repositories = {one["RepositoryName"]: one for one in prod.properties("AWS::ECR::Repository")}
    assert repositories.keys() == {f"counterfoil-{image}" for image in IMAGES}
    for one in repositories.values():
        assert one["ImageTagMutability"] == "IMMUTABLE"
        assert one["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert "LifecyclePolicyText" in one["LifecyclePolicy"]


def test_every_image_that_a_step_names_has_a_repository() -> None:
    from pipelines.catalogue import JOBS

    assert {job.container for job in JOBS.values()} <= set(IMAGES)


def test_the_stack_depends_on_no_other(prod: Synthesised) -> None:
    assert "Fn::ImportValue" not in str(prod.templates["counterfoil-repositories"])
