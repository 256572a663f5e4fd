"""The pipeline that detects: raw files to scores in the lake, their figures, and the insight report."""

from typing import Any

from pipelines import builders as build
from pipelines.jobs import Site


def detection(site: Site) -> list[Any]:
    """The steps; curate runs beside features and detect."""
    scored = {"scope": "new", "since": site["Since"], "until": site["Until"]}
    collected = build.collect(site, **scored)
    curated = build.curate(site, collected)
    featured = build.features(site, collected, **scored)
    detected = build.detect(site, collected, featured)
    written = {collected: build.COLLECTED, curated: build.CURATED, detected: build.DETECTED}
    published = build.publish(site, written)
    reported = build.report(site, detected, published)
    shown = build.insights(site, published)
    return [collected, curated, featured, detected, published, reported, shown]
