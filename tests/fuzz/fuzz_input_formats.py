"""Long fuzzing of one input format with atheris: `python tests/fuzz/fuzz_input_formats.py FORMAT -runs=10000`."""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["counterfoil", "zipfile", "gzip", "xml.sax", "defusedxml"]):
    from input_formats import FORMATS, InputFormat, require_accounted_for

_TELL_EVERY = 1000
_MOST_BYTES = 2 << 20
_MOST_BYTES_TO_GROW = 64 << 10


def main() -> None:
    """Fuzz the format of the first argument; the others are libFuzzer's."""
    forms = {form.name: form for form in FORMATS}
    if len(sys.argv) < 2 or sys.argv[1] not in forms:
        sys.exit(f"usage: fuzz_input_formats FORMAT [libFuzzer options] (FORMAT: {', '.join(forms)})")
    form, options = forms[sys.argv[1]], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        corpus = _corpus(Path(folder), form)
        path = Path(folder) / "in"
        limits = [f"-max_len={_MOST_BYTES}", "-len_control=0", "-timeout=20", "-rss_limit_mb=3000"]
        outcomes: Counter[str] = Counter()
        atheris.Setup(
            [sys.argv[0], *limits, f"-dict={corpus}.dict", *options, str(corpus)],
            lambda content: _try(content, form, path, outcomes),
            custom_mutator=lambda content, most, seed: _mutated(content, most, seed, form),
        )
        atheris.Fuzz()


def _try(content: bytes, form: InputFormat, path: Path, outcomes: Counter[str]) -> None:
    accounted = require_accounted_for(content, form, path)
    outcomes["refused" if accounted is None else "read"] += 1
    if accounted is not None:
        outcomes["records"] += accounted.records
        outcomes["counted twice"] += accounted.counted_twice
    if (outcomes["refused"] + outcomes["read"]) % _TELL_EVERY == 0:  # libFuzzer leaves no time for it at the end
        sys.stderr.write(f"{form.name}: {dict(outcomes)}\n")


def _mutated(content: bytes, most: int, seed: int, form: InputFormat) -> bytes:
    """Spoil an input where it has structure, the good file or an earlier one, or else anywhere."""
    rng = Random(seed)
    if rng.random() < 0.25:
        return bytes(atheris.Mutate(content, most))
    start = form.good if rng.random() < 0.5 or len(content) > _MOST_BYTES_TO_GROW else content
    return form.spoil(start, rng)[:most]


def _corpus(folder: Path, form: InputFormat) -> Path:
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "good").write_bytes(form.good)
    entries = ("".join(f"\\x{byte:02x}" for byte in token) for token in form.tokens)
    Path(f"{corpus}.dict").write_text("".join(f'"{entry}"\n' for entry in entries))
    return corpus


if __name__ == "__main__":
    main()
