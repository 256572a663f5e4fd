"""Countries and networks of addresses from files in MaxMind's format: GeoLite2, GeoIP2 or others of their layout."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import maxminddb

from counterfoil.domain.intake.curation import Origin
from counterfoil.domain.privacy.addresses import Address
from counterfoil.errors import InputFileError, UsageError

_COUNTRIES = ("Country", "City", "Enterprise")
_SYSTEMS = ("ASN", "ISP", "Enterprise")


class MaxmindNetworks:
    """A NetworkDirectory over a database of countries or cities, and one of autonomous systems; each may be absent.

    Raises InputFileError for a file that cannot be read, UsageError for a database of something else.
    """

    def __init__(self, *, country: Path | None = None, asn: Path | None = None) -> None:
        self._country = None if country is None else _opened(country, "COUNTERFOIL_GEOIP_COUNTRY", _COUNTRIES)
        self._asn = None if asn is None else _opened(asn, "COUNTERFOIL_GEOIP_ASN", _SYSTEMS)

    def origin(self, address: Address) -> Origin:
        """Return what the databases have of an address."""
        country, system = _record(self._country, address), _record(self._asn, address)
        code = _mapping(country.get("country")).get("iso_code")
        number, name = system.get("autonomous_system_number"), system.get("autonomous_system_organization")
        return Origin(
            code if isinstance(code, str) else None,
            number if isinstance(number, int) else None,
            name if isinstance(name, str) else None,
        )


def _opened(path: Path, setting: str, kinds: Iterable[str]) -> maxminddb.Reader:
    try:
        database = maxminddb.open_database(path)
    except maxminddb.InvalidDatabaseError:
        raise InputFileError(f"{path} is no MaxMind database: set {setting} to an .mmdb file") from None
    except OSError as error:
        raise InputFileError(f"{path} cannot be read ({error.strerror}): correct {setting}") from None
    found = database.metadata().database_type
    if not any(kind in found for kind in kinds):
        raise UsageError(f"{path} is a database of {found!r}: {setting} takes one of {', '.join(kinds)}")
    return database


def _record(database: maxminddb.Reader | None, address: Address) -> Mapping[str, Any]:
    if database is None or (address.version == 6 and database.metadata().ip_version == 4):
        return {}
    return _mapping(database.get(address))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
