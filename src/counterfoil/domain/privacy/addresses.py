"""Source IP addresses: one normal form for every way of writing one, and what kind of address it is.

The ranges are those of IANA's special-purpose address registries, spelled out here: `ipaddress` answers
differently from one Python to the next.
"""

import ipaddress
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PUBLIC = "public"

# IPv6 needs brackets where it has a port: without them the port would read as a part of it.
_HOST = re.compile(r"(\[(?P<bracketed>[^\]]+)\]|(?P<plain>[0-9.]+))(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN = re.compile(rf"{_BYTE}(\.{_BYTE}){{3}}")
"""An IPv4 address in its normal form, as most are."""
_WHOLE = re.compile(r"(?<=[0-9.])/32$|(?<=[0-9a-fA-F:])/128$")
"""A network of one address, as databases write an address."""
_INTEGER = re.compile(r"[0-9]{8,10}(\.0)?|[0-9]{38,39}")
_FIRST_INTEGER = {4: 1 << 24, 6: 1 << 125}
"""1.0.0.0 and 2000::, where numbers that may be addresses begin."""

_RANGES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = {
    4: (
        ("unspecified", ("0.0.0.0/32",)),
        ("loopback", ("127.0.0.0/8",)),
        ("link_local", ("169.254.0.0/16",)),
        ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
        ("cgnat", ("100.64.0.0/10",)),
        ("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "233.252.0.0/24")),
        ("multicast", ("224.0.0.0/4",)),
        # This network, protocol assignments, the old 6to4 relays, benchmarks, future use and broadcast.
        ("reserved", ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")),
        (PUBLIC, ("0.0.0.0/0",)),
    ),
    6: (
        ("unspecified", ("::/128",)),
        ("loopback", ("::1/128",)),
        ("link_local", ("fe80::/10",)),
        ("private", ("fc00::/7", "fec0::/10")),
        ("documentation", ("2001:db8::/32", "3fff::/20")),
        ("multicast", ("ff00::/8",)),
        # Protocol assignments (Teredo among them) and 6to4; of what is left, 2000::/3 and NAT64 are in use.
        ("reserved", ("2001::/23", "2002::/16")),
        (PUBLIC, ("2000::/3", "64:ff9b::/96")),
        ("reserved", ("::/0",)),
    ),
}
"""By version, the kinds with their ranges: the first that holds an address tells its kind."""

_KINDS: dict[int, tuple[tuple[str, int, int], ...]] = {
    version: tuple(
        (kind, int(network[0]), int(network[-1]))
        for kind, texts in ranges
        for network in map(ipaddress.ip_network, texts)
    )
    for version, ranges in _RANGES.items()
}
"""The same as numbers, which are compared faster: kind, first and last address."""

_PREFIX_LENGTHS = {4: 24, 6: 48}
"""What a provider hands to one customer at most: a /24 of IPv4, a /48 of IPv6."""


def read_address(text: str) -> Address | None:
    """Read a source IP field, or return None if there is no address in it.

    Taken are IPv4 and IPv6, in brackets or not, with a port, a zone (dropped: it names an interface of the
    machine that wrote it) or space around, as a network of one address (/32, /128), and as the integer that it is
    (from 1.0.0.0 and 2000:: on); an IPv4-mapped address is its IPv4 address. Of a forwarded-for list
    (X-Forwarded-For, or Forwarded with `for=`), it is the first public address, else the first readable one:
    the client stands first, but a private address before its gateway's is shared by thousands of networks.
    Leading zeros in IPv4 are not read, since some programs take them as octal.
    """
    if "," not in text and "=" not in text:
        return _read_one(text)
    found = [address for address in map(_read_one, _forwarded(text)) if address is not None]
    return next((address for address in found if kind_of(address) == PUBLIC), found[0] if found else None)


def normal_address(text: str) -> str | None:
    """Return the address of a source IP field in its normal form (IPv6 as of RFC 5952), or None."""
    if _PLAIN.fullmatch(text):
        return text
    address = read_address(text)
    return None if address is None else str(address)


def normal_addresses(texts: pa.Array) -> pa.Array:
    """Return the normal form of each text, null where there is no address in it."""
    encoded = pc.cast(texts, pa.string()).dictionary_encode()
    return pa.array(map(normal_address, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)


def kind_of(address: Address) -> str:
    """Return public, private, cgnat, loopback, link_local, multicast, documentation, reserved or unspecified."""
    number = int(address)
    return next(kind for kind, first, last in _KINDS[address.version] if first <= number <= last)


def prefix_of(address: Address) -> str:
    """Return the network around an address: its /24 for IPv4, its /48 for IPv6."""
    length = _PREFIX_LENGTHS[address.version]
    rest = address.max_prefixlen - length
    return f"{type(address)(int(address) >> rest << rest)}/{length}"


def _forwarded(text: str) -> Iterator[str]:
    """Yield the hops of a forwarded-for list as they stand."""
    for hop in text.split(","):
        pairs = (part.strip() for part in hop.split(";"))
        named = next((pair[4:] for pair in pairs if pair[:4].lower() == "for="), None)
        yield hop if named is None else named.strip().strip('"')


def _from_integer(number: int) -> Address | None:
    if _FIRST_INTEGER[4] <= number < 1 << 32:
        return ipaddress.IPv4Address(number)
    return ipaddress.IPv6Address(number) if _FIRST_INTEGER[6] <= number < 1 << 128 else None


def _read_one(text: str) -> Address | None:
    written = _WHOLE.sub("", text.strip())
    if _INTEGER.fullmatch(written):
        return _from_integer(int(written.removesuffix(".0")))
    match = _HOST.fullmatch(written)
    if match is not None and int(match["port"] or 0) > _LAST_PORT:
        return None
    try:
        address = ipaddress.ip_address(match["bracketed"] or match["plain"] if match else written)
    except ValueError:
        return None
    if address.version == 4:
        return address
    # Of the number alone: a zone is no part of the address.
    return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
