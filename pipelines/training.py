"""The pipeline that trains: raw files to a release that was judged, or to the reasons why there is none."""

from typing import Any

from pipelines import builders as build
from pipelines.jobs import Site


def training(site: Site) -> list[Any]:
    """The steps; those that need nothing of each other run side by side."""
    used = {"scope": "all", "since": site["TrainFrom"], "until": site["EvaluateUntil"]}
    collected = build.collect(site, **used)
    curated = build.curate(site, collected)
    featured = build.features(site, collected, **used)
    # Not before features has read the lake: it would find its new payments twice, or a manifest without files.
    # A release is not trained while files are missing: the execution ends here, unless that is allowed.
    published = build.publish(
        site, {collected: build.COLLECTED, curated: build.CURATED}, after=[featured],
        allow_failed_files=site["AllowFailedFiles"],
    )  # fmt: skip

    trained = build.train(site, collected, featured)
    evaluated = build.evaluate(site, collected, featured, trained)
    judged = build.gate(site, trained, evaluated)
    registered = build.register(site, trained, evaluated, judged)
    decided = build.passed(judged, then=[registered], otherwise=[build.fail(judged)])
    return [collected, curated, featured, published, trained, evaluated, judged, decided]
