"""Hypothesis strategies for each format: a good file with something done to it."""

from random import Random

from hypothesis import strategies as st
from input_formats import InputFormat


def mutated(form: InputFormat) -> st.SearchStrategy[bytes]:
    """Return good files of a format after one to six changes: bytes put in, taken out, turned over or moved."""
    piece = st.sampled_from(form.tokens) | st.binary(max_size=4) | _slices(form.good)
    place = st.integers(0, len(form.good))
    length = st.sampled_from([0, 1, 1, 2, 8, 64, len(form.good)])
    change = st.tuples(place, length, piece)
    return st.lists(change, min_size=1, max_size=6).map(lambda changes: _changed(form.good, changes))


def spoilt(form: InputFormat) -> st.SearchStrategy[bytes]:
    """Return good files of a format after changes where it has structure."""
    return st.integers(0, 2**32 - 1).map(lambda seed: form.spoil(form.good, Random(seed)))


def _slices(content: bytes) -> st.SearchStrategy[bytes]:
    ends = st.tuples(st.integers(0, len(content)), st.integers(0, 200))
    return ends.map(lambda end: content[end[0] : end[0] + end[1]])


def _changed(content: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, piece in changes:
        content = content[:place] + piece + content[place + length :]
    return content
