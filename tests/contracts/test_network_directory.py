"""What every NetworkDirectory must do."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.adapters.files.networks import MaxmindNetworks
from counterfoil.domain.intake.curation import Origin
from counterfoil.errors import InputFileError, UsageError
from counterfoil.ports.lake import NetworkDirectory

Write = Callable[..., Path]

COUNTRIES = {"81.2.69.0/24": {"country": {"iso_code": "GB"}}, "2a00:1450::/32": {"country": {"iso_code": "IE"}}}
SYSTEMS = {
    "81.2.69.128/25": {"autonomous_system_number": 20712, "autonomous_system_organization": "Example Carrier"},
    "2a00:1450::/32": {"autonomous_system_number": 15169},
}


@pytest.fixture(params=["maxmind"])
def directory(write_mmdb: Write) -> NetworkDirectory:
    country, asn = write_mmdb("GeoLite2-Country", COUNTRIES), write_mmdb("GeoLite2-ASN", SYSTEMS)
    return MaxmindNetworks(country=country, asn=asn)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("81.2.69.142", Origin("GB", 20712, "Example Carrier")),
        ("81.2.69.1", Origin("GB", None, None)),
        ("2a00:1450::1", Origin("IE", 15169, None)),
        ("9.9.9.9", Origin(None, None, None)),
    ],
)
def test_what_is_known_is_told_and_the_rest_is_none(directory: NetworkDirectory, address: str, origin: Origin) -> None:
    assert directory.origin(ipaddress.ip_address(address)) == origin


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.ip_addresses())
def test_no_address_is_fatal(
    directory: NetworkDirectory, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    known = any(address in network for network in map(ipaddress.ip_network, COUNTRIES))
    assert (directory.origin(address).country is not None) == known


class TestMaxmind:
    def test_a_database_may_be_absent(self, write_mmdb: Write) -> None:
        address = ipaddress.ip_address("81.2.69.142")
        assert MaxmindNetworks(country=write_mmdb("GeoIP2-City", COUNTRIES)).origin(address) == Origin("GB")
        found = MaxmindNetworks(asn=write_mmdb("GeoIP2-ISP", SYSTEMS)).origin(address)
        assert found == Origin(None, 20712, "Example Carrier")

    def test_a_database_of_ipv4_knows_nothing_of_ipv6(self, write_mmdb: Write) -> None:
        only = {network: record for network, record in COUNTRIES.items() if ":" not in network}
        networks = MaxmindNetworks(country=write_mmdb("GeoLite2-Country", only, ip_version=4))
        assert networks.origin(ipaddress.ip_address("81.2.69.1")).country == "GB"
        assert networks.origin(ipaddress.ip_address("2a00:1450::1")) == Origin()

    def test_records_of_another_layout_tell_nothing(self, write_mmdb: Write) -> None:
        odd = {"81.2.69.0/25": {"country": "GB"}, "81.2.69.128/25": {"country": {"iso_code": 826}}}
        networks = MaxmindNetworks(country=write_mmdb("GeoLite2-Country", odd))
        assert networks.origin(ipaddress.ip_address("81.2.69.1")) == Origin()
        assert networks.origin(ipaddress.ip_address("81.2.69.200")) == Origin()

    def test_what_is_no_database_is_named_with_its_setting(self, tmp_path: Path, write_mmdb: Write) -> None:
        wrong = tmp_path / "countries.csv"
        wrong.write_text("81.2.69.0/24,GB\n")
        with pytest.raises(InputFileError, match=r"countries\.csv is no MaxMind database: set COUNTERFOIL_GEOIP_ASN"):
            MaxmindNetworks(asn=wrong)
        with pytest.raises(InputFileError, match=r"gone\.mmdb cannot be read .*COUNTERFOIL_GEOIP_COUNTRY"):
            MaxmindNetworks(country=tmp_path / "gone.mmdb")
        with pytest.raises(UsageError, match="'GeoLite2-ASN': COUNTERFOIL_GEOIP_COUNTRY takes one of Country"):
            MaxmindNetworks(country=write_mmdb("GeoLite2-ASN", SYSTEMS))
