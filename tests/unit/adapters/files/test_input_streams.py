"""Packed files: known by their bytes, read whole or refused with the reason, never more than the limits allow."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from counterfoil.adapters.files.input_files import InputFiles
from counterfoil.adapters.files.input_streams import parts_of
from counterfoil.adapters.files.unpacking import StreamLimits, packing_of
from counterfoil.domain.intake.mapping import parse_mapping
from counterfoil.errors import InputFileError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd.compress,
}  # fmt: skip
CONTENT = b"t,a\n" + b"".join(b"%d,%d\n" % (number, number * 7919) for number in range(60_000))
NONE = StreamLimits()


def written(folder: Path, content: bytes, name: str = "payments.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def content_of(path: Path, limits: StreamLimits = NONE) -> dict[str | None, bytes]:
    found = {}
    for part in parts_of(path, limits):
        with part.open() as stream:
            found[part.member] = stream.read()
    return found


def read_and_forget(path: Path, limits: StreamLimits) -> None:
    for part in parts_of(path, limits):
        with part.open() as stream:
            while stream.read(1 << 16):
                pass


def refusal(path: Path, limits: StreamLimits = NONE) -> str:
    with pytest.raises(InputFileError) as caught:
        content_of(path, limits)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.slow
@pytest.mark.parametrize("packing", PACKERS)
def test_a_packing_is_known_by_its_bytes_and_may_have_frames(tmp_path: Path, packing: str) -> None:
    pack = PACKERS[packing]
    assert content_of(written(tmp_path, pack(CONTENT))) == {None: CONTENT}
    assert content_of(written(tmp_path, pack(CONTENT) + pack(b"") + pack(b"end"))) == {None: CONTENT + b"end"}


def test_what_is_not_packed_is_read_as_it_is(tmp_path: Path) -> None:
    for content in (b"", b"B", b"BZh9 is a word", CONTENT):
        assert content_of(written(tmp_path, content, "payments.csv.gz")) == {None: content}


def test_a_zstd_file_may_begin_with_a_frame_to_skip(tmp_path: Path) -> None:
    skipped = b"\x53\x2a\x4d\x18\x04\0\0\0note"
    assert packing_of(skipped) == "zstd"
    assert content_of(written(tmp_path, skipped + zstd.compress(b"t,a\n"))) == {None: b"t,a\n"}


def test_xz_may_be_padded_with_zeros(tmp_path: Path) -> None:
    packed = lzma.compress(b"one") + bytes(8) + lzma.compress(b"two") + bytes(4)
    assert content_of(written(tmp_path, packed)) == {None: b"onetwo"}


@pytest.mark.slow
@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.999])
def test_a_cut_off_file_says_so(tmp_path: Path, packing: str, cut: float) -> None:
    packed = PACKERS[packing](CONTENT)
    message = refusal(written(tmp_path, packed[: int(len(packed) * cut)]))
    assert f"is cut off or damaged: its {packing} stream" in message


@pytest.mark.parametrize("packing", PACKERS)
def test_rubbish_after_the_end_says_so(tmp_path: Path, packing: str) -> None:
    assert "damaged" in refusal(written(tmp_path, PACKERS[packing](b"t,a\n") + b"rubbish, and some more of it"))


@pytest.mark.slow
@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz"])
def test_a_changed_bit_says_so(tmp_path: Path, packing: str) -> None:
    packed = bytearray(PACKERS[packing](CONTENT))
    packed[len(packed) // 2] ^= 16
    assert "damaged" in refusal(written(tmp_path, bytes(packed)))


@pytest.mark.slow
@pytest.mark.parametrize("packing", [*PACKERS, "zip"])
def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, packing: str) -> None:
    zeros = bytes(64 << 20)
    packed = zipped({"a.csv": zeros}) if packing == "zip" else PACKERS[packing](zeros)
    path = written(tmp_path, packed)
    limits = StreamLimits(most_ratio=50, ratio_from_bytes=1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(InputFileError, match="more than 50 times its size: raise COUNTERFOIL_UNPACK_MOST_RATIO"):
            read_and_forget(path, limits)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_the_most_bytes_hold_over_all_members_together(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({f"{number}.csv": os.urandom(1000) for number in range(3)}))
    assert sum(map(len, content_of(path, StreamLimits(most_bytes=3000)).values())) == 3000
    assert "unpacks to more than 2,999 bytes: raise COUNTERFOIL_UNPACK_MOST_BYTES" in refusal(
        path, StreamLimits(most_bytes=2999)
    )


@pytest.mark.slow
def test_real_csv_is_far_below_the_default_ratio() -> None:
    for pack in PACKERS.values():
        assert len(CONTENT) / len(pack(CONTENT)) < StreamLimits.most_ratio / 4


@pytest.mark.slow
def test_xz_and_zstd_may_not_ask_for_much_memory(tmp_path: Path) -> None:
    greedy = lzma.compress(b"t,a\n", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    assert "damaged" in refusal(written(tmp_path, greedy))
    # zstd narrows the window of a small content, so this header is written by hand: a window of 1 GB.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(30 - 10) << 3]) + b"\x01\x00\x00"
    assert "damaged" in refusal(written(tmp_path, frame))


@pytest.mark.parametrize("packing", [*PACKERS, "zip"])
def test_what_is_packed_twice_is_refused(tmp_path: Path, packing: str) -> None:
    for inner in (gzip.compress(b"t,a\n"), zipped({"a.csv": b"t,a\n"})):
        packed = zipped({"a.csv": inner}) if packing == "zip" else PACKERS[packing](inner)
        assert "packed again" in refusal(written(tmp_path, packed))


@pytest.mark.parametrize("magic", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\0", b"\x04\x22\x4d\x18", b"\x1f\x9d\x90"])
def test_other_packings_are_refused_by_name(tmp_path: Path, magic: bytes) -> None:
    assert "pack it with gzip, bzip2, xz, zstd or zip instead" in refusal(written(tmp_path, magic + bytes(40)))


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_the_members_of_a_zip_come_in_its_order(tmp_path: Path, method: int) -> None:
    path = written(tmp_path, zipped({"2024/feb.csv": b"two", "2024/": b"", "jan.csv": CONTENT}, method))
    assert list(content_of(path).items()) == [("2024/feb.csv", b"two"), ("jan.csv", CONTENT)]
    parts = [(part.place, part.source) for part in parts_of(path, NONE)]
    assert parts[0] == (f"{path}/2024/feb.csv", "payments.csv/2024/feb.csv")


def test_what_an_apple_computer_adds_is_no_member(tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"a.csv": b"a", "__MACOSX/._a.csv": b"x", ".DS_Store": b"x"}))
    assert content_of(path) == {"a.csv": b"a"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../a.csv", "has '..' in its path"),
        ("x/../../a.csv", "has '..' in its path"),
        ("x\\..\\a.csv", "has '..' in its path"),
        ("/etc/a.csv", "has an absolute path"),
        ("C:\\a.csv", "has an absolute path"),
        ("\\\\host\\a.csv", "has an absolute path"),
        ("a\nb.csv", "cannot be printed"),
        ("a\x1b[2Jb.csv", "cannot be printed"),
        ("a\u202eb.csv", "cannot be printed"),
        ("4111-1111-1111-1111.csv", "'411111******1111.csv' has a name that cannot be printed or holds a card number"),
        ("x" * 256, f"{'x' * 60}' has a name of more than 255 characters"),
    ],
)
def test_a_member_with_a_bad_name_is_refused_before_any_is_read(tmp_path: Path, name: str, problem: str) -> None:
    path = written(tmp_path, zipped({"good.csv": b"t,a\n", name: b"t,a\n"}))
    message = refusal(path)
    assert problem in message
    assert message.isprintable()
    assert [file.name for file in tmp_path.iterdir()] == ["payments.csv"]


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    content = zipped({"a#.txt.csv": b"t,a\n"}).replace(b"a#.txt.csv", b"a\0.txt.csv")
    assert "cannot be printed" in refusal(written(tmp_path, content))


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    assert "has no name" in refusal(written(tmp_path, zipped({"#.csv": b"t,a\n"}).replace(b"#.csv", b"\0.csv")))


def test_a_link_is_read_as_the_text_that_it_is(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert content_of(written(tmp_path, memory.getvalue())) == {"a.csv": b"/etc/passwd"}


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.csv": b"t,a\n"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert "'a.csv' is encrypted" in refusal(written(tmp_path, bytes(content)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_doubled_member_is_refused(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("a.csv", b"1")
        archive.writestr("a.csv", b"2")
    assert "'a.csv' stands there more than once" in refusal(written(tmp_path, memory.getvalue()))


def test_an_archive_without_files_or_with_too_many_is_refused(tmp_path: Path) -> None:
    assert "holds 0 files" in refusal(written(tmp_path, zipped({})))
    many = written(tmp_path, zipped({f"{number}.csv": b"" for number in range(4)}))
    assert "holds 4 files: 1 to 3 can be read" in refusal(many, StreamLimits(most_members=3))


@pytest.mark.parametrize("cut", [30, 100, -10])
def test_a_cut_off_zip_says_so(tmp_path: Path, cut: int) -> None:
    assert "is cut off or damaged" in refusal(written(tmp_path, zipped({"a.csv": CONTENT})[:cut]))


@pytest.mark.parametrize(
    ("field", "change"), [(16, 1), (20, -100), (24, -1), (24, 1)], ids=["checksum", "packed", "short", "long"]
)
def test_a_zip_that_lies_about_a_member_says_so(tmp_path: Path, field: int, change: int) -> None:
    content = bytearray(zipped({"a.csv": CONTENT, "b.csv": b"t,a\n"}))
    where = content.index(b"PK\x01\x02") + field
    true = int.from_bytes(content[where : where + 4], "little")
    content[where : where + 4] = (true + change).to_bytes(4, "little")
    assert "a.csv is cut off or damaged" in refusal(written(tmp_path, bytes(content)))


def test_a_zip_whose_directory_is_wrong_about_a_name_says_so_without_it(tmp_path: Path) -> None:
    content = zipped({"a.csv": b"t,a\n", "b.csv": b"t,a\n"})
    where = content.rindex(b"b.csv")
    message = refusal(written(tmp_path, content[:where] + b"Ann X" + content[where + 5 :]))
    assert "member 2 is cut off or damaged: the archive's directory is wrong about it" in message
    assert "Ann" not in message


def test_files_that_cannot_be_opened_say_so(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "cannot be read: Is a directory" in refusal(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("packing", PACKERS)
def test_rows_of_packed_files_arrive(tmp_path: Path, packing: str) -> None:
    mapping = parse_mapping('[fields]\nevent_time = "t"\namount = "a"\n', "shop")
    batches = list(InputFiles().batches(written(tmp_path, PACKERS[packing](CONTENT)), mapping))
    assert sum(batch.records for batch in batches) == 60_000
    with pytest.raises(InputFileError, match="cut off or damaged"):
        list(InputFiles().batches(written(tmp_path, PACKERS[packing](CONTENT)[:-30]), mapping))
