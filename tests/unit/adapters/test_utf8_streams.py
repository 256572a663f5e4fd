"""Valid text passes unchanged whatever the chunks; what is none is marked, once for each piece."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.adapters.utf8_streams import MARK, MarkedUtf8


def passed(content: bytes, size: int) -> tuple[bytes, bool]:
    stream = MarkedUtf8(io.BytesIO(content))
    chunks = []
    while chunk := stream.read(size):
        assert len(chunk) <= size
        chunks.append(chunk)
    return b"".join(chunks), stream.has_marks


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(1, 9))
def test_text_passes_unchanged(text: str, size: int) -> None:
    assert passed(text.encode(), size) == (text.encode(), False)


@given(st.lists(st.binary(max_size=4) | st.sampled_from(["é".encode(), "€".encode(), "𝄞".encode()])), st.integers(1, 9))
def test_whatever_comes_the_chunks_do_not_matter(pieces: list[bytes], size: int) -> None:
    content = b"".join(pieces)
    whole, _ = passed(content, 1000)
    assert passed(content, size)[0] == whole
    assert whole.decode().replace(MARK, "") == content.decode(errors="ignore")


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_is_no_text_is_marked(bad: bytes, size: int) -> None:
    found, has_marks = passed(b"a" + bad + b"b\n" + bad, size)
    assert has_marks
    assert found.decode().replace(MARK, "") == "ab\n"
    assert found.decode().split("\n")[1].startswith(MARK)
