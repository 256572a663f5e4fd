"""One synthesis of each environment for all tests of the infrastructure: the CDK is slow to start."""

import pytest

pytest.importorskip("aws_cdk", reason="the CDK is not installed: make synth")

from synthesised import DEV, PROD, Synthesised, synthesise


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """The production environment with everything that is optional."""
    return synthesise(PROD, tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """A first deployment to dev: nothing optional, and no image yet."""
    return synthesise(DEV, tmp_path_factory.mktemp("dev"))
