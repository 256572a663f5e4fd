"""Which references are named by none, and which by many."""

from counterfoil.domain.evaluation.reference_use import NamedReference, SideUse, side_use


def test_named_ones_come_first_and_the_rest_is_dead() -> None:
    use = side_use(frozenset("abcd"), {"b": 2, "a": 2, "d": 5}, 10, most=2)
    assert use == SideUse(4, 1, (NamedReference("d", 5, 0.5), NamedReference("a", 2, 0.2)))


def test_what_is_not_of_the_base_does_not_count() -> None:
    assert side_use(frozenset("ab"), {"feedback": 9, "a": 1}, 10) == SideUse(2, 1, (NamedReference("a", 1, 0.1),))


def test_a_side_without_references_has_none_that_are_dead() -> None:
    assert side_use(frozenset(), {}, 3) == SideUse(0, 0, ())
