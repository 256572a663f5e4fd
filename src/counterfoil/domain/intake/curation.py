"""Curate source IPs: what is counted of each, and what is known of its address."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from counterfoil.domain.intake.blocklists import ListedNetworks
from counterfoil.domain.periods import known_at
from counterfoil.domain.privacy.addresses import PUBLIC, Address, kind_of, prefix_of, read_address
from counterfoil.domain.schemas import FRAUD, SOURCE_IPS

UNREADABLE = "unreadable"
"""The kind of a source IP field that held no address."""


@dataclass(frozen=True)
class Origin:
    """Where a public address is announced: its country (ISO 3166-1 alpha-2), its autonomous system and who runs it."""

    country: str | None = None
    asn: int | None = None
    network: str | None = None


NOWHERE = Origin()
"""The origin of an address of which nothing is known."""


def described(
    found: pa.Table,
    origin_of: Callable[[Address], Origin] = lambda _: NOWHERE,
    listed: ListedNetworks | None = None,
) -> pa.Table:
    """Give rows of SOURCE_IP_QUERY what their address tells, as schemas.SOURCE_IPS.

    Where the address is null the kind is "unreadable", or null if no address was kept for that id. `origin_of`
    is asked for public addresses only: others are of no country. An address in one of the networks `listed` is on as
    many blocklists as that, if it is on no more itself.
    """
    if listed:
        found = _with_networks(found, listed)
    pairs = zip(found["address"].to_pylist(), found["kept"].to_pylist(), strict=True)
    facts = [_facts(address, kept, origin_of) for address, kept in pairs]
    whole = found.drop_columns(["kept"])
    for place, name in enumerate(("version", "kind", "prefix", "country", "asn", "network")):
        field = SOURCE_IPS.field(name)
        whole = whole.append_column(field, pa.array([fact[place] for fact in facts], field.type))
    return whole.select(SOURCE_IPS.names).cast(SOURCE_IPS)


def _with_networks(found: pa.Table, listed: ListedNetworks) -> pa.Table:
    pairs = zip(found["address"].to_pylist(), found["blocklists"].to_pylist(), strict=True)
    lists = [_more_lists(text, count, listed) for text, count in pairs]
    place = found.schema.get_field_index("blocklists")
    return found.set_column(place, found.schema.field(place), pa.array(lists, found.schema.field(place).type))


def _more_lists(text: str | None, count: int | None, listed: ListedNetworks) -> int | None:
    address = None if text is None else read_address(text)
    return count if address is None else max(count or 0, listed.lists(address))


def _facts(text: str | None, kept: bool, origin_of: Callable[[Address], Origin]) -> tuple[int | str | None, ...]:
    address = None if text is None else read_address(text)
    if address is None:
        return None, UNREADABLE if kept else None, None, None, None, None
    kind = kind_of(address)
    origin = origin_of(address) if kind == PUBLIC else NOWHERE
    return address.version, kind, prefix_of(address), origin.country, origin.asn, origin.network


SOURCE_IP_QUERY = """
SELECT seen.*, addresses.address, addresses.source_ip_id IS NOT NULL AS kept,
  CASE WHEN addresses.address IS NOT NULL
    THEN coalesce(blocklist.blocklists, CAST($unlisted AS INTEGER)) END AS blocklists
FROM (
  SELECT source_ip_id, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
    CAST(sum(payments) AS BIGINT) AS payments, count(account_id) AS accounts
  FROM (
    SELECT source_ip_id, account_id, min(event_time) AS first_seen, max(event_time) AS last_seen, count(*) AS payments
    FROM payment GROUP BY ALL
  ) GROUP BY ALL
) seen
LEFT JOIN (SELECT DISTINCT source_ip_id, address FROM kept_address) addresses USING (source_ip_id)
LEFT JOIN blocklist USING (address)
ORDER BY source_ip_id
"""
"""All source IPs of `payment`, with `kept_address` and `blocklist`. $unlisted: 0, or null without a list.

Accounts are counted in two steps, since DuckDB can spill groups to disk but not sets of distinct values.
"""

SOURCE_IP_DAYS_QUERY = """
WITH active AS (
  SELECT source_ip_id, event_date, CAST(sum(payments) AS BIGINT) AS payments, count(account_id) AS accounts
  FROM (
    SELECT source_ip_id, CAST(event_time AS DATE) AS event_date, account_id, count(*) AS payments
    FROM payment GROUP BY ALL
  ) GROUP BY ALL
), paid AS (
  SELECT source_ip_id, event_date,
    list({'currency': currency, 'payments': payments, 'total': total} ORDER BY currency NULLS LAST) AS amounts
  FROM (
    SELECT source_ip_id, CAST(event_time AS DATE) AS event_date, currency, count(*) AS payments, sum(amount) AS total
    FROM payment WHERE amount IS NOT NULL GROUP BY ALL
  ) GROUP BY ALL
), known AS (
  SELECT * FROM known_fraud
  WHERE strftime(event_date, '%Y-%m') = $month
    AND event_date >= CAST($since AS DATE) AND event_date < CAST($until AS DATE)
)
SELECT source_ip_id, event_date, coalesce(payments, 0) AS payments, coalesce(accounts, 0) AS accounts,
  coalesce(amounts, []) AS amounts, coalesce(frauds_known, 0) AS frauds_known
FROM active FULL JOIN known USING (source_ip_id, event_date) LEFT JOIN paid USING (source_ip_id, event_date)
ORDER BY event_date, source_ip_id
"""
"""The rows of schemas.SOURCE_IP_DAYS of the days of $month (YYYY-MM) from $since to before $until.

Over their `payment` and the `known_fraud` of all months. DuckDB holds the lists of currencies in memory: ask for days
that have few enough payments.

A fraud counts on the day when it became known, on which the IP may have no payment at all.
"""


def known_frauds_query(label_delay: timedelta) -> str:
    """Return the query for how many frauds of `payment` became known by source IP and day."""
    return f"""
SELECT source_ip_id, CAST({known_at(label_delay)} AS DATE) AS event_date, count(*) AS frauds_known
FROM payment WHERE label = {FRAUD} GROUP BY ALL
"""
