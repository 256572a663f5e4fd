"""Whether the payments of a mapping carry what a release was trained on."""

from dataclasses import dataclass

from counterfoil.domain.features.columns import CYCLES, PASSED_ON
from counterfoil.domain.intake.mapping_model import CANONICAL_EVIDENCE, PSEUDONYMS, SourceMapping
from counterfoil.domain.release.release import Release, missing_evidence


@dataclass(frozen=True)
class Fit:
    """Evidence of a release that a mapping's payments do not have.

    `missing` columns are not in their evidence: scoring is refused. `empty` ones are there without a value, as
    the mapping names no column for what they are about: scoring takes the training mean in their place.
    `used` is the number of columns that the release uses.
    """

    missing: tuple[str, ...]
    empty: tuple[str, ...]
    used: int


def fit_of(release: Release, mapping: SourceMapping) -> Fit:
    """Say what a release needs and the evidence of a mapping, built with the release's specs, lacks."""
    own = (*mapping.numeric, *mapping.own_categorical, *mapping.own_textual)
    built = (*PASSED_ON, "amount", *CYCLES, *(spec.name for spec in release.specs), *own)
    empty = _unmapped(mapping)
    empty |= {spec.name for spec in release.specs if empty & set(spec.entity.columns)}
    used = release.encoder.schema.columns
    return Fit(tuple(missing_evidence(release, built)), tuple(name for name in used if name in empty), len(used))


def _unmapped(mapping: SourceMapping) -> set[str]:
    """The canonical columns for which the mapping names no column of the file."""
    fields = {**{column: field for field, column in PSEUDONYMS.items()}, **CANONICAL_EVIDENCE, "amount": "amount"}
    there = {*mapping.read_fields, *(("currency",) if mapping.tells_currency else ())}
    return {column for column, field in fields.items() if field not in there}
