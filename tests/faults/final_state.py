"""What others see of a workspace, as digests: equal ones mean that all rows are byte-equal after sorting."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from service_state import READ_UNTIL, look_at_service, word_ranks

State = dict[str, dict[str, str]]
"""By store (a table, the ledger, ...) and name in it (a run, a file, ...): a digest, or the value itself."""

REFUSED = "refused"
"""The one store of a workspace that says it cannot be read now, and why."""
UNDER_WAY = ("claimed", "failed")
"""States of an input file that promise nothing of its rows."""
SAID_AT = "said_at"
"""The column of labels that has the time of a walk."""
_ASIDE = (".draft", ".next", ".new")
"""What files end in that nobody takes for the thing itself."""


def look(*, releases: bool = True) -> State:
    """Read all stores of the configured workspace, as the next process does."""
    from counterfoil.errors import UsageError
    from counterfoil.workspace.wiring import open_workspace

    place = open_workspace()
    try:
        tables = place.tables
    except UsageError as error:
        return {REFUSED: {"reason": str(error)}}
    references = place.references
    words = word_ranks(place)
    state: State = {
        f"table {table}": {_run(run, words): digest(tables.files(table, run)) for run in tables.runs(table)}
        for table in tables.tables()
    }
    state |= look_at_service(place)
    state["ledger"] = {f"{Path(e.file.location).name} {e.file.content_hash}": _entry(e) for e in place.ledger.entries()}
    state["references"] = {name: _references(references, name) for name in references.releases()}
    state["decisions"] = {str(number): _decision(d) for number, d in enumerate(place.decisions.entries())}
    for folder in (".", "reports", "out"):
        files = [
            path for path in sorted((place.root / folder).glob("*")) if path.is_file() and path.suffix not in _ASIDE
        ]
        state[f"files in {folder}"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if releases:
        found = place.registry.releases()
        state["releases"] = {release.release_id: _release(place, release) for release in found}
        state["aliases"] = {alias: release.release_id for release in found for alias in release.aliases}
    return state


def _run(run: str, words: Mapping[int, int]) -> str:
    """The name of a run; one of feedback is named after the place of its word, not its number."""
    return re.sub(r"(?<=feedback-)\d+", lambda number: str(words.get(int(number[0]))), run)


def _entry(entry: Any) -> str:
    return f"{entry.state} {entry.mapping} {entry.rows_in} {entry.rows_out} {entry.rows_rejected}"


def _decision(entry: Any) -> str:
    return f"{entry.kind} {entry.subject} {entry.actor} {entry.reason} {json.dumps(entry.details, sort_keys=True)}"


def _references(store: Any, name: str) -> str:
    from counterfoil.domain.release.references import checksum

    return f"{store.checksum(name)} {checksum(store.read_base(name))}"


def _release(place: Any, release: Any) -> str:
    folder = place.registry.fetch(release.release_id)  # which holds the files against their hashes
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return f"{sorted(release.tags.items())} {sorted(release.metrics.items())} {names}"


def digest(files: list[Path]) -> str:
    """The digest of all rows of some Parquet files, in canonical order: independent of how they were cut."""
    if not files:
        return "no rows"
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in files], promote_options="default")
    if SAID_AT in rows.column_names:
        rows = rows.drop_columns([SAID_AT])
    flat = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    rows = rows.combine_chunks().sort_by([(name, "ascending") for name in flat]).replace_schema_metadata()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return f"{rows.num_rows} rows {hashlib.sha256(sink.getvalue()).hexdigest()}"


def write_state(options: dict[str, Any], folder: Path) -> None:
    """Write what is seen to `folder`/state.json."""
    (folder / "state.json").write_text(json.dumps(look(**options)))


def half_made(before: State, after: State, seen: State) -> Iterator[str]:
    """Say what is seen that is neither as before nor as after: each run, release, file... is the one or the other."""
    for store in sorted({*before, *after, *seen}) if REFUSED not in seen else ():
        old, new, now = (state.get(store, {}) for state in (before, after, seen))
        for name in sorted({*old, *new, *now}):
            value = now.get(name)
            under_way = store == "ledger" and str(value).startswith(UNDER_WAY)
            under_way |= store == READ_UNTIL and old != new  # a stream is read a part at a time
            if value not in (old.get(name), new.get(name)) and not under_way:
                yield f"{store}, {name}: {value}; before {old.get(name)}, after {new.get(name)}"
