"""What the page makes of a score."""

from counterfoil.service.page_case import bars


def test_reasons_are_bars_in_percent_of_the_longest() -> None:
    reasons = [{"topic": t, "words": t, "contribution": c} for t, c in (("a", 2.0), ("b", -1.0), ("c", 0.001))]
    assert [(bar.topic, bar.width) for bar in bars(reasons)] == [("a", 100), ("b", 50)]
    assert bars([]) == []
    assert [bar.width for bar in bars([{"topic": "a", "words": "", "contribution": 0.0}])] == []
