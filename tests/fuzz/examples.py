"""How many examples hypothesis draws: few in `make test`, ten times as many in `make properties`."""

from hypothesis import settings

FEW = 40
"""Where a test does not say how many."""

settings.register_profile("few", max_examples=FEW, deadline=None)
settings.register_profile("many", max_examples=10 * FEW, deadline=None)
settings.load_profile("few")


def examples(few: int) -> int:
    """Return `few`, or its multiple under a profile of more examples."""
    return few * settings().max_examples // FEW
