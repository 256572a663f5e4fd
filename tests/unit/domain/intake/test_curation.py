"""What an address tells of a source IP, and blocklists as they come."""

import pyarrow as pa
import pytest

from counterfoil.domain.intake.blocklists import BLOCKLIST, parse_blocklist
from counterfoil.domain.intake.curation import Origin, described
from counterfoil.domain.privacy.addresses import Address
from counterfoil.domain.schemas import SOURCE_IPS, TIMESTAMP


def test_a_blocklist_is_read_past_its_comments() -> None:
    lines = [
        "# IPsum\n",
        "#\n",
        "\n",
        "77.90.185.20\t10\n",
        "2A00:1450::1 \t 3 # seen twice\r\n",
        "::ffff:1.2.3.4\t0\n",
    ]
    found = parse_blocklist(lines)
    assert found.counts.schema == BLOCKLIST
    assert found.counts.to_pylist() == [
        {"address": "77.90.185.20", "blocklists": 10},
        {"address": "2a00:1450::1", "blocklists": 3},
        {"address": "1.2.3.4", "blocklists": 0},
    ]
    assert found.unreadable == 0


def test_of_two_entries_the_higher_counts() -> None:
    found = parse_blocklist(["1.1.1.1\t2", "1.1.1.1\t7", "1.1.1.1\t3"])
    assert found.counts.to_pylist() == [{"address": "1.1.1.1", "blocklists": 7}]


@pytest.mark.parametrize(
    "lines",
    [
        ["\ufeff8.8.8.8\t5", "9.9.9.9"],
        ["8.8.8.8,5,2026-03-01", '"9.9.9.9",1,"x, y"'],
        ["create bad hash:ip family inet", "add bad 8.8.8.8", "add bad 8.8.8.8 timeout 0", "-A bad 9.9.9.9"],
        ["; a list", "// of two", "8.8.8.8 ; SBL1", "9.9.9.9/32 ; SBL2"],
        ["134744072", "9.9.9.9 1"],
        ["8.8.8.8;5", "9.9.9.9;2;x"],
        ["ipset create bad hash:ip", "ipset -! add bad 8.8.8.8", "/sbin/ipset -A bad 9.9.9.9"],
        ["8.8.8.8 - 8.8.8.8 , 100 , a name", "9.9.9.9-9.9.9.9"],
        ['{"cidr":"8.8.8.8/32","sblid":"SBL1"}', '{"ip": "9.9.9.9", "x": [1]}', '{"type":"metadata","size":2}'],
        ["deny 8.8.8.8;", "Deny from 9.9.9.9"],
        ["-A INPUT -s 8.8.8.8/32 -j DROP", "-A INPUT -s 9.9.9.9 -j DROP"],
    ],
)
def test_a_list_in_any_form_names_its_addresses(lines: list[str]) -> None:
    found = parse_blocklist(lines)
    assert (found.counts["address"].to_pylist(), found.unreadable) == (["8.8.8.8", "9.9.9.9"], 0)


def test_an_address_in_a_listed_network_is_listed() -> None:
    found = parse_blocklist(["8.8.8.0/24\t7", "8.8.0.0/16\t2", "9.9.9.9\t2", "2001:db8::/32", "10.0.0.0/33"])
    assert (found.counts.num_rows, found.unreadable) == (1, 1)
    rows = _found(("8.8.8.8", True), ("8.8.9.1", True), ("9.9.9.8", True), ("2001:db8::5", True), (None, True))
    assert described(rows, listed=found.networks)["blocklists"].to_pylist() == [7, 2, 0, 1, None]


def test_a_count_after_a_semicolon_is_one_and_a_range_is_its_networks() -> None:
    assert parse_blocklist(["8.8.8.8;5"]).counts["blocklists"].to_pylist() == [5]
    found = parse_blocklist(["8.8.8.0 - 8.8.9.255 , 000 , a name", "9.9.9.7-9.9.9.8", "2001:db8::-2001:db8::ff"])
    assert (found.counts["address"].to_pylist(), found.unreadable) == (["9.9.9.7", "9.9.9.8"], 0)
    rows = _found(("8.8.9.255", True), ("8.8.10.0", True), ("2001:db8::5", True))
    assert described(rows, listed=found.networks)["blocklists"].to_pylist() == [1, 0, 1]


def test_a_network_may_be_its_first_and_last_address_and_its_prefix() -> None:
    found = parse_blocklist(["8.8.8.0\t8.8.8.255\t24\t100\tA NAME, INC\tUS", '{"cidr": "9.9.9.0/25"}'])
    assert (found.counts.num_rows, found.unreadable) == (0, 0)
    rows = _found(("8.8.8.255", True), ("8.8.9.0", True), ("9.9.9.127", True), ("9.9.9.128", True))
    assert described(rows, listed=found.networks)["blocklists"].to_pylist() == [1, 0, 1, 0]


NO_ENTRIES = (
    '{"cidr": 5}', '{"cidr": ', "8.8.8.0\t8.8.8.254\t24\tx", "deny all;",
    "8.8.8.9-8.8.8.8", "8.8.8.8-2001:db8::", "8.8.8.8-", "1.1.1.1 x", "1.1.1.1\t-1", "1.1.1.1\tmany", "1.1.1.1\t1\t2",
    "1.1.1\t3", "1.1.1.1\t9999999999", "x\t1",
)  # fmt: skip


@pytest.mark.parametrize("line", NO_ENTRIES)
def test_a_line_that_is_no_entry_is_counted(line: str) -> None:
    found = parse_blocklist([line, "8.8.8.8\t1"])
    assert (found.unreadable, found.counts.num_rows) == (1, 1)


def _found(*rows: tuple[str | None, bool]) -> pa.Table:
    moment = pa.array([0] * len(rows)).cast(TIMESTAMP)
    numbers = pa.array([1] * len(rows), pa.int64())
    return pa.table(
        {
            "source_ip_id": pa.array([f"id{place}" for place in range(len(rows))], pa.string()),
            "first_seen": moment, "last_seen": moment, "payments": numbers, "accounts": numbers,
            "address": pa.array([address for address, _ in rows], pa.string()),
            "kept": pa.array([kept for _, kept in rows], pa.bool_()),
            "blocklists": pa.nulls(len(rows), pa.int32()),
        }
    )  # fmt: skip


def test_an_address_tells_version_kind_and_prefix() -> None:
    rows = described(_found(("10.1.2.3", True), ("2a00:1450:1:2::3", True), (None, True), (None, False)))
    assert rows.schema == SOURCE_IPS
    assert rows.select(["country", "asn", "network"]).to_pylist() == [dict.fromkeys(("country", "asn", "network"))] * 4
    assert [tuple(row[name] for name in ("version", "kind", "prefix")) for row in rows.to_pylist()] == [
        (4, "private", "10.1.2.0/24"),
        (6, "public", "2a00:1450:1::/48"),
        (None, "unreadable", None),
        (None, None, None),
    ]


def test_only_public_addresses_have_an_origin() -> None:
    found = _found(("10.1.2.3", True), ("81.2.69.1", True), (None, True), ("81.2.69.1", True))
    asked: list[str] = []

    def origin_of(address: Address) -> Origin:
        asked.append(str(address))
        return Origin("GB", 20712, "Example Carrier")

    rows = described(found, origin_of)
    assert rows.schema == SOURCE_IPS
    assert asked == ["81.2.69.1"] * 2
    assert rows["country"].to_pylist() == [None, "GB", None, "GB"]
    assert rows["asn"].to_pylist() == [None, 20712, None, 20712]
    assert rows["network"].to_pylist() == [None, "Example Carrier", None, "Example Carrier"]


def test_no_rows_are_no_rows() -> None:
    assert described(_found()) == SOURCE_IPS.empty_table()
