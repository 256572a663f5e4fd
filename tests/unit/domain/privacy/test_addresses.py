"""A source IP has one normal form however it is written, and one kind; `ipaddress` and the system agree."""

import ipaddress
import socket

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterfoil.domain.privacy.addresses import kind_of, normal_address, normal_addresses, prefix_of, read_address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
ANY = st.one_of(V4, V6)

# Where this Python's table is older than IANA's, or has another name for a range.
DIFFERENT = [
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20", "64:ff9b::/96", "64:ff9b:1::/48",
        "::ffff:0:0/96",
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" 203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:443", "203.0.113.7"),
        ("[203.0.113.7]:443", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:8080", "203.0.113.7"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),  # RFC 5952: the first of two equal runs of zeros
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  # a single zero is not shortened
    ],
)
def test_one_address_has_one_form(text: str, normal: str) -> None:
    assert normal_address(text) == normal


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("8.8.8.8, 10.0.0.1", "8.8.8.8"),
        ("10.0.0.5, 8.8.8.8, 9.9.9.9", "8.8.8.8"),
        ("unknown, 8.8.4.4:80", "8.8.4.4"),
        (",, 8.8.4.4", "8.8.4.4"),
        ("192.168.1.2, 10.0.0.1", "192.168.1.2"),
        ("::ffff:8.8.8.8,1.1.1.1", "8.8.8.8"),
        ("[2a00:1450::1]:443, 8.8.8.8", "2a00:1450::1"),
        ("for=8.8.8.8;proto=http;by=9.9.9.9", "8.8.8.8"),
        ('by=9.9.9.9; For="[2a00:1450::1]:4711", for=8.8.8.8', "2a00:1450::1"),
        ("for=_hidden, for=8.8.8.8", "8.8.8.8"),
    ],
)
def test_of_a_forwarded_list_it_is_the_first_public_address_else_the_first(text: str, client: str) -> None:
    assert normal_address(text) == client


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("8.8.8.8/32", "8.8.8.8"), ("2001:4860:4860::8888/128", "2001:4860:4860::8888"), ("134744072", "8.8.8.8"),
        ("134744072.0", "8.8.8.8"), ("16777216", "1.0.0.0"), ("::ffff:8.8.8.8/128", "8.8.8.8"),
        ("42541956123769884636017138956568135816", "2001:4860:4860::8888"), ("3405803783", "203.0.113.7"),
    ],
)  # fmt: skip
def test_networks_of_one_address_and_integers_are_addresses(text: str, normal: str) -> None:
    assert normal_address(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "unknown", "localhost", "300.1.1.1", "1.2.3", "1.2.3.4.5", "192.000.002.007", "5", "16777215",
            "4294967296", "3405803783.5",
        "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:http", "1.2.3.4/24", "1.2.3.4/320", "/32",
             "[1.2.3.4", "1.2.3.4]", "[1.2.3.4]x", "[]",
        "1.2.3.4%eth0", "2001:db8:::1", "[2001:db8::1]443", "١.٢.٣.٤", "1.2.3.4\0", ",", "for=", "by=1.2.3.4",
    ],
)  # fmt: skip
def test_anything_else_is_unreadable(text: str) -> None:
    assert normal_address(text) is None


@given(ANY, st.sampled_from(["", " ", "\t "]), st.booleans(), st.none() | st.integers(0, 65_535))
def test_spellings_of_an_address_agree(address: Address, space: str, long: bool, port: int | None) -> None:
    text = address.exploded.upper() if long else str(address)
    if port is not None:
        text = f"{text}:{port}" if address.version == 4 else f"[{text}]:{port}"
    mapped = address.ipv4_mapped if address.version == 6 else None
    assert read_address(f"{space}{text}{space}") == (mapped or address)


@given(V4)
def test_ipv4_in_ipv6_is_the_ipv4_address(address: ipaddress.IPv4Address) -> None:
    assert normal_address(f"::ffff:{address}") == str(address)


@given(V6.filter(lambda address: int(address) >= 1 << 48))
def test_ipv6_is_written_as_the_system_writes_it(address: ipaddress.IPv6Address) -> None:
    assert normal_address(address.exploded) == socket.inet_ntop(socket.AF_INET6, address.packed)


@given(st.text() | st.text('0123456789abcdf.:[]%, ;=for"', max_size=40))
@example("1" * 5_000)
@example("1:" * 5_000)
def test_no_text_is_fatal_and_a_normal_form_is_its_own(text: str) -> None:
    normal = normal_address(text)
    if normal is not None:
        assert str(ipaddress.ip_address(normal)) == normal == normal_address(normal)


def test_columns_keep_their_order_and_nulls() -> None:
    texts = pa.chunked_array([["1.2.3.4:5", None, "no"], ["::1", "1.2.3.4:5"]]).combine_chunks()
    assert normal_addresses(texts).to_pylist() == ["1.2.3.4", None, None, "::1", "1.2.3.4"]


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("public", "1.1.1.1 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 223.255.255.255 2a00:1450::1 "
         "64:ff9b::808:808 2001:200::1"),
        ("private", "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 fc00::1 fdff::1 fec0::1"),
        ("cgnat", "100.64.0.0 100.127.255.255"),
        ("loopback", "127.0.0.1 127.255.255.255 ::1"),
        ("link_local", "169.254.0.1 fe80::1 febf::1"),
        ("multicast", "224.0.0.1 239.255.255.255 ff02::1"),
        ("documentation", "192.0.2.1 198.51.100.1 203.0.113.1 233.252.0.1 2001:db8::1 3fff::1"),
        ("reserved", "0.0.0.1 192.0.0.1 192.88.99.1 198.18.0.1 198.19.255.255 240.0.0.1 255.255.255.255 ::2 100::1 "
         "2001::1 2002::1 4000::1 64:ff9b:1::1"),
        ("unspecified", "0.0.0.0 ::"),
    ],
)  # fmt: skip
def test_kinds(kind: str, addresses: str) -> None:
    assert {text: kind_of(ipaddress.ip_address(text)) for text in addresses.split()} == dict.fromkeys(
        addresses.split(), kind
    )


@given(ANY)
def test_kinds_agree_with_the_standard_library(address: Address) -> None:
    kind = kind_of(address)
    assert (kind == "unspecified") == address.is_unspecified
    assert (kind == "loopback") == address.is_loopback
    assert (kind == "link_local") == address.is_link_local
    assert (kind == "multicast") == (address.is_multicast and address not in ipaddress.ip_network("233.252.0.0/24"))
    if any(address in network for network in DIFFERENT):
        return
    site_local = address.version == 6 and address.is_site_local
    elsewhere = address.is_multicast or address.is_reserved or site_local
    assert (kind == "public") == (address.is_global and not elsewhere)


@given(ANY)
def test_the_prefix_is_the_network_around_the_address(address: Address) -> None:
    network = ipaddress.ip_network(prefix_of(address))
    assert address in network
    assert network.prefixlen == {4: 24, 6: 48}[address.version]


@given(st.from_regex(r"\A([0-9]{1,3}\.){3}[0-9]{1,3}\Z") | V4.map(str))
def test_dotted_quads_are_what_the_library_says(text: str) -> None:
    try:
        expected = str(ipaddress.IPv4Address(text))
    except ValueError:
        expected = None
    assert normal_address(text) == expected
