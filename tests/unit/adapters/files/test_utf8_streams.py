"""Valid text passes unchanged whatever the chunks; what is none is marked, once for each piece."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.adapters.files.utf8_streams import MARK, as_utf8, unreadable_byte


def passed(content: bytes, size: int, encoding: str = "utf-8") -> bytes:
    stream = as_utf8(io.BytesIO(content), encoding)
    chunks = []
    while chunk := stream.read(size):
        assert len(chunk) <= size
        chunks.append(chunk)
    return b"".join(chunks)


def unmarked(text: bytes) -> str:
    return re.sub(f"{MARK}([0-9A-F]{{2}}|--)", "", text.decode())


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(1, 9))
def test_text_passes_unchanged(text: str, size: int) -> None:
    assert passed(text.encode(), size) == text.encode()


@given(st.lists(st.binary(max_size=4) | st.sampled_from(["é".encode(), "€".encode(), "𝄞".encode()])), st.integers(1, 9))
def test_whatever_comes_the_chunks_do_not_matter(pieces: list[bytes], size: int) -> None:
    content = b"".join(pieces)
    whole = passed(content, 1000)
    assert passed(content, size) == whole
    assert unmarked(whole) == content.decode(errors="ignore")


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_is_no_text_is_marked(bad: bytes, size: int) -> None:
    found = passed(b"a" + bad + b"b\n" + bad, size)
    assert unmarked(found) == "ab\n"
    assert found.decode().split("\n")[1].startswith(MARK)
    assert unreadable_byte(found.decode()) == f"0x{bad[0]:02X}"


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-16"), max_size=30), st.integers(1, 9), st.sampled_from(["utf-16", "gb18030"]))
def test_other_encodings_become_utf_8(text: str, size: int, encoding: str) -> None:
    assert passed(text.encode(encoding), size, encoding) == text.encode()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(b"a\x81b", "cp1252"), (b"a\xffb", "ascii"), (b"a\x82", "shift_jis"), (b"\xff\xfea\0\0\xd8b\0", "utf-16")],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_what_is_no_text_in_another_encoding_is_marked(content: bytes, encoding: str, size: int) -> None:
    found = passed(content, size, encoding)
    assert MARK in found.decode()
    assert unmarked(found) in ("ab", "a")
