"""Our Dockerfiles as they are tried here: what they fetch from AWS left out, and each once in a single stage."""

import re

SPARK = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update \\
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless python3-pip \\
    && rm -rf /var/lib/apt/lists/* /usr/lib/python3.11/EXTERNALLY-MANAGED
RUN python3.11 -m pip install 'pyspark==3.5.*' \\
    && ln -s spark-submit /usr/local/bin/smspark-submit \\
    && printf '#!/bin/sh\\n' > /usr/local/bin/dnf && chmod 755 /usr/local/bin/dnf
"""
"""In place of SageMaker's Spark image: Spark of its version with Java 17. What is asked of dnf is there already."""

_STAGE = re.compile(r"(?=^FROM )", re.M)


def without_downloads(dockerfile: str) -> str:
    """Make an empty file of each that `ADD` downloads: what is tried here needs no certificates of RDS."""
    return re.sub(r"^ADD --chmod=444 https://\S+ (\S+)$", r"RUN touch \1", dockerfile, flags=re.M)


def single_stage(dockerfile: str) -> str | None:
    """The same image with everything that only its building needs: the last stage goes on where the first ended.

    None for an image that is built in one stage anyway.
    """
    if dockerfile.count("\nFROM ") == 1:
        return None
    head, build, last = _STAGE.split(dockerfile)
    kept = [line for line in last.splitlines()[1:] if not line.startswith("COPY --from=")]
    return "\n".join([head + build.rstrip(), *kept]) + "\n"
