"""What a release was made from, as hashes: the payments as training saw them, and the mapping."""

import hashlib
import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from counterfoil.domain.encoding.evidence import EvidenceSchema, numbers, strings
from counterfoil.domain.intake.mapping_model import SourceMapping


@dataclass(frozen=True)
class Lineage:
    """SHA-256 (hex) of the training payments' content and of the mapping.

    `last_label_known_at` is the latest moment (ISO 8601, UTC) at which a label that was trained on became known.
    """

    evidence_sha256: str
    mapping_sha256: str
    last_label_known_at: str | None


def lineage_of(payments: pa.Table, schema: EvidenceSchema, mapping: SourceMapping) -> Lineage:
    """The lineage of a release that is trained on these rows and columns."""
    last = pc.max(payments.column("known_at")).as_py()
    return Lineage(
        evidence_digest(payments, schema), mapping_digest(mapping), None if last is None else last.isoformat()
    )


def evidence_digest(payments: pa.Table, schema: EvidenceSchema) -> str:
    """SHA-256 (hex) of evidence rows: ids, times, labels and the schema's columns, in the order of the rows.

    Files, chunks, the order of columns and columns beyond the schema make no difference. Account ids are not
    among the content: they hang on the workspace's pseudonym key.
    """
    digest = hashlib.sha256()
    for name in ("event_time", "known_at", "label"):
        _add(digest, name, payments.column(name).cast(pa.int64()).to_numpy().astype("<i8").tobytes())
    for name in sorted({*schema.numeric, *schema.cyclic}):
        _add(digest, name, numbers(payments, (name,)).astype("<f8").tobytes())
    for name in sorted({"transaction_id", *schema.categorical, *schema.textual}):
        _add(digest, name, json.dumps(strings(payments, name).tolist()).encode())
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", name: str, content: bytes) -> None:
    digest.update(f"{name} {len(content)}\n".encode())
    digest.update(content)


def mapping_digest(mapping: SourceMapping) -> str:
    """SHA-256 (hex) of what a mapping does; its description, and options left at their default, do not count."""
    content = mapping.model_dump(mode="json", exclude={"description"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
