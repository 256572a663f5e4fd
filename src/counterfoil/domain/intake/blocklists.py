"""Blocklists as they are published: addresses, networks and ranges, plain, with counts, as CSV, or as ipset saves."""

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from counterfoil.domain.privacy.addresses import Address, normal_address

BLOCKLIST = pa.schema([pa.field("address", pa.string(), nullable=False), pa.field("blocklists", pa.int32())])

_BETWEEN = re.compile(r"[\s,;]+")
_OF_CSV = re.compile(r"[,;]")
_IPSET_COMMAND = r"(?:(?:\S*/)?ipset\s+(?:-!\s+|-exist\s+)?)?"
_IPSET = re.compile(rf"{_IPSET_COMMAND}-?-?(?:add|A)\s+\S+\s+(\S+)", re.IGNORECASE)
_IPSET_OTHER = re.compile(rf"{_IPSET_COMMAND}(?:create|flush|destroy|-N|-F|-X)\s", re.IGNORECASE)
_RULE = re.compile(r"(?:deny(?:\s+from)?|-A\s+\S+\s+-s)\s+([^\s;]+).*", re.IGNORECASE)
"""A line of nginx's or Apache's configuration, or of iptables-save."""
_JSON_KEYS = ("cidr", "ip", "ip_address", "ipAddress", "address", "network")
_COMMENT = re.compile(r"#.*|(?:^|\s);.*|^//.*")
_RANGE = re.compile(r"(?P<first>[0-9a-fA-F:.]+)\s*-\s*(?P<last>[0-9a-fA-F:.]+)(?:[\s,;].*)?")
_MOST_DIGITS = 9
_WITH_LAST = 3
"""A network as its first address, its last one, and the length of its prefix."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass
class ListedNetworks:
    """On how many lists each network is; an address is on as many as the network around it that is on most."""

    _counts: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    """(IP version, number of bits behind the prefix) -> prefix -> lists."""

    def add(self, network: Network, count: int) -> None:
        """Take in a network that `count` lists name; of two entries the higher counts."""
        behind = network.max_prefixlen - network.prefixlen
        prefixes = self._counts.setdefault((network.version, behind), {})
        prefix = int(network.network_address) >> behind
        prefixes[prefix] = max(count, prefixes.get(prefix, 0))

    def lists(self, address: Address) -> int:
        """Return on how many lists the networks around an address are."""
        number = int(address)
        return max(
            (
                prefixes.get(number >> behind, 0)
                for (version, behind), prefixes in self._counts.items()
                if version == address.version
            ),
            default=0,
        )

    def __bool__(self) -> bool:
        return bool(self._counts)


@dataclass(frozen=True)
class Blocklist:
    """`counts` (BLOCKLIST) says on how many lists an address is, `networks` that of networks.

    `unreadable` counts the lines that were no entry.
    """

    counts: pa.Table
    unreadable: int
    networks: ListedNetworks = field(default_factory=ListedNetworks)


def parse_blocklist(lines: Iterable[str]) -> Blocklist:
    """Read lines of an address or a network, and perhaps the number of lists that it is on (else one).

    An entry may be a JSON object (Spamhaus), a first and last address and a prefix's length (DShield), or a rule of a
    server or firewall. `#`, `;` after a blank and `//` begin comments; what stands after the number in CSV, and after
    a range (`8.8.8.0 - 8.8.8.255`), says nothing here. Of two entries the higher counts.
    """
    found: dict[str, int] = {}
    networks = ListedNetworks()
    unreadable = 0
    for line in lines:
        text = _COMMENT.sub("", line.lstrip("\ufeff")).strip()
        if not text or _IPSET_OTHER.match(text):
            continue
        entry = _entry(text)
        if entry is None:
            unreadable += 1
        else:
            where, count = entry
            for one in where:
                if isinstance(one, str):
                    found[one] = max(count, found.get(one, 0))
                else:
                    networks.add(one, count)
    counts = pa.table([list(found), list(found.values())], schema=BLOCKLIST)
    return Blocklist(counts, unreadable, networks)


def _entry(text: str) -> tuple[list[str | Network], int] | None:
    """Addresses in their normal form or networks, and on how many lists they are."""
    if text.startswith("{"):
        return _of_json(text)
    as_range = _RANGE.fullmatch(text)
    if as_range is not None:
        return _between(as_range["first"], as_range["last"])
    of_command = _RULE.fullmatch(text) or _IPSET.match(text)
    words = [of_command[1]] if of_command else [word.strip("\"'") for word in _BETWEEN.split(text)]
    if len(words) >= _WITH_LAST and _is_last(*words[:_WITH_LAST]):
        words = [f"{words[0]}/{words[2]}"]
    count = _count(words, is_csv=_OF_CSV.search(text) is not None)
    where = None if count is None else _where(words[0])
    return None if where is None or count is None else ([where], count)


def _of_json(text: str) -> tuple[list[str | Network], int] | None:
    """What a JSON object lists; nothing if it tells of the list itself."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if told.get("type") == "metadata":
        return [], 1
    word = next((told[key] for key in _JSON_KEYS if isinstance(told.get(key), str)), "")
    where = _where(word.strip())
    return None if where is None else ([where], 1)


def _is_last(first: str, last: str, prefix: str) -> bool:
    """Whether a network of this prefix goes from the first to the last address."""
    if not (prefix.isascii() and prefix.isdecimal() and "/" not in first):
        return False
    try:
        return ipaddress.ip_network(f"{first}/{prefix}").broadcast_address == ipaddress.ip_address(last)
    except ValueError:
        return False


def _between(first: str, last: str) -> tuple[list[str | Network], int] | None:
    try:
        networks = ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last))
        return [_alone(network) for network in networks], 1
    except (ValueError, TypeError):  # no addresses, of two versions, or the last before the first
        return None


def _alone(network: Network) -> str | Network:
    return network if network.prefixlen < network.max_prefixlen else str(network.network_address)


def _count(words: list[str], *, is_csv: bool) -> int | None:
    """The number after an address, one if there is none; nothing else may stand there, but for more cells of CSV."""
    if len(words) == 1:
        return 1
    number = words[1]
    if number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS and (is_csv or len(words) == 2):
        return int(number)
    return 1 if is_csv else None


def _where(word: str) -> str | Network | None:
    if "/" in word:
        try:
            network = ipaddress.ip_network(word, strict=False)
        except ValueError:
            return None
        if network.prefixlen < network.max_prefixlen:
            return network
        word = str(network.network_address)
    return normal_address(word)
