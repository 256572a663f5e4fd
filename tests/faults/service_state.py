"""What others see of the service's tables, without times and the numbers that a transaction left unused."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import psycopg

READ_UNTIL = "streams read until"
TABLES = (
    ("service_score", "transaction_id, content_hash, release_id, decision, signal, payment, evidence, answer"),
    ("profile_entry", "entity, entry_id, content"),
    ("dead_letter", "stream, sequence, reason, content_hash"),
    ("service_alert", "transaction_id, decision"),
    ("stream_checkpoint", "stream, sequence"),
    ("overlay_change", "release_id"),
)
"""What is read. Whether an alert was sent depends on the time of day."""


def look_at_service(place: Any) -> dict[str, dict[str, str]]:
    """Scores, profiles, dead letters, alerts, the overlay and how far streams were read, by their stores."""
    ranks = word_ranks(place)
    with psycopg.connect(place.dsn) as connection:
        rows = {table: connection.execute(f"SELECT {columns} FROM {table}").fetchall() for table, columns in TABLES}
    return {
        "scores": {name: _digest(score) for name, *score in rows["service_score"]},
        "profiles": {
            f"{entity} {_entry_id(entry_id, ranks)}": _digest(_known(content))
            for entity, entry_id, content in rows["profile_entry"]
        },
        "dead letters": {
            f"{stream} {sequence}": f"{reason} {of}" for stream, sequence, reason, of in rows["dead_letter"]
        },
        "alerts": {name: str(decision) for name, decision in rows["service_alert"]},
        "overlay": _overlay(place, sorted({name for (name,) in rows["overlay_change"]})),
        READ_UNTIL: {stream: str(end) for stream, end in rows["stream_checkpoint"] if stream.startswith("lines:")},
    }


def word_ranks(place: Any) -> dict[int, int]:
    """The place of each entry among all of the decision log, by its number."""
    return {int(entry.sequence): rank for rank, entry in enumerate(place.decisions.entries(), start=1)}


def _overlay(place: Any, releases: Sequence[str]) -> dict[str, str]:
    found = {}
    for release in releases:
        for rank, change in enumerate(place.overlays.since(release, 0)):
            references = [
                {name: value for name, value in _plain(one).items() if name != "known_at"} for one in change.references
            ]
            told = f"{change.subject} {change.label} {change.intercept:.6f} {len(references)} {_digest(references)}"
            found[f"{release} {rank}"] = told
    return found


def _plain(reference: Any) -> dict[str, Any]:
    return {**asdict(reference), "vector": reference.vector.tobytes().hex()}


def _entry_id(entry_id: str, ranks: Mapping[int, int]) -> str:
    kind, name, *number = entry_id.split(":")
    return ":".join([kind, name, *(f"word {ranks.get(int(one))}" for one in number)])


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    if "number" not in content:  # a payment, no word on its label
        return dict(content)
    return {name: value for name, value in content.items() if name not in ("label_time", "number")}


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
