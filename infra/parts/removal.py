"""What becomes of what keeps data when its stack goes."""

from aws_cdk import RemovalPolicy

from infra.environments import Environment

KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""It stays, but for a first deployment that fails: what was just made is empty, and its name would block the next."""


def removal(environment: Environment) -> RemovalPolicy:
    """Kept where data outlives the stacks, else deleted with them."""
    return KEPT if environment.keep else RemovalPolicy.DESTROY
