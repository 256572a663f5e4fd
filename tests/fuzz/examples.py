"""How many examples hypothesis draws: few in `make test`, ten times as many in `make properties`."""

from hypothesis import HealthCheck, settings

FEW = 40
"""Where a test does not say how many."""

for _name, _most in (("few", FEW), ("many", 10 * FEW)):
    # A busy machine is no fault of a property.
    settings.register_profile(_name, max_examples=_most, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("few")


def examples(few: int) -> int:
    """Return `few`, or its multiple under a profile of more examples."""
    return few * settings().max_examples // FEW
