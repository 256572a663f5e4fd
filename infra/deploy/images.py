"""Images: built once for a commit, pushed, and from then on named by their content."""

from collections.abc import Mapping
from typing import Any

from infra.deploy.place import DeployError, Place
from infra.repositories import IMAGES


def push_images(place: Place, tag: str) -> Mapping[str, str]:
    """Build and push what ECR does not have under `tag` yet, and return the digest of each image by name."""
    registry = _registry(place)
    missing = [name for name in IMAGES if _digest(place, name, tag) is None]
    if missing:
        place.run(["infra/deploy/build_images.sh", registry, tag, *missing])
    digests = {name: _digest(place, name, tag) for name in IMAGES}
    absent = [name for name, digest in digests.items() if digest is None]
    if absent:
        raise DeployError(
            f"ECR has no image of tag {tag} for {', '.join(absent)} after the push: look at its log above"
        )
    return {name: str(digest) for name, digest in digests.items()}


def _registry(place: Place) -> str:
    uri = place.client("ecr").describe_repositories(repositoryNames=["counterfoil-scoring"])["repositories"][0]
    return str(uri["repositoryUri"]).partition("/")[0]


def _digest(place: Place, name: str, tag: str) -> str | None:
    ecr: Any = place.client("ecr")
    try:
        found = ecr.describe_images(repositoryName=f"counterfoil-{name}", imageIds=[{"imageTag": tag}])["imageDetails"]
    except ecr.exceptions.ImageNotFoundException:
        return None
    return str(found[0]["imageDigest"])
