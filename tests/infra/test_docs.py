"""The README says what the code does: its costs, its constructs and its tests are there."""

import re
from pathlib import Path

import pytest
from synthesised import Synthesised

from infra.costs import Assumptions, Prices, lines, table
from infra.picture import PICTURE, boxes, svg

ROOT = Path(__file__).parents[2]
README = (ROOT / "infra" / "README.md").read_text()
NAMED = (
    "S3", "DynamoDB", "collector", "detector", "curation", "RDS", "Athena", "QuickSight", "GitHub Actions", "ECR",
    "IAM", "VPC", "NAT", "API Gateway", "ECS", "Cloud Map", "Route 53",
)  # fmt: skip


@pytest.mark.parametrize("part", NAMED)
def test_everything_that_the_architecture_names_has_a_row(part: str) -> None:
    [row] = re.findall(rf"^\| {part} \|.*$", README.partition("## Decisions")[0], re.M)
    assert len([cell for cell in row.split("|") if cell.strip()]) == 4


PLUMBING = {
    "AWS::EC2::EIP", "AWS::EC2::InternetGateway", "AWS::EC2::RouteTable", "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
}  # fmt: skip
"""What the CDK lays between subnets, NAT and the internet: tests/infra/test_network.py asks for the ways themselves."""


def test_every_kind_of_resource_is_asserted(prod: Synthesised) -> None:
    asserted = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    kinds = {one["Type"] for template in prod.templates.values() for one in template["Resources"].values()}
    assert len(kinds) > 50
    assert {kind for kind in kinds - PLUMBING if f'"{kind}"' not in asserted} == set()


def test_every_construct_is_in_the_readme_and_has_its_test() -> None:
    constructs = {path.stem for path in (ROOT / "infra" / "parts").glob("*.py") if "(Construct)" in path.read_text()}
    assert len(constructs) > 20
    assert {name for name in constructs if f"`parts/{name}.py`" not in README} == set()


def test_files_that_the_readme_names_are_there() -> None:
    folders = (ROOT, ROOT / "infra", ROOT / "tests" / "infra", ROOT / "src" / "counterfoil")
    named = set(re.findall(r"`([\w./-]+\.(?:py|md))`", README)) | set(re.findall(r"`(containers/\w+)`", README))
    assert len(named) > 30
    assert not [name for name in named if not any((folder / name).exists() for folder in folders)]


def test_the_picture_is_drawn_from_the_templates(prod: Synthesised) -> None:
    prefix = "counterfoil-prod-"
    assert svg(boxes(prod.templates, prefix), prefix) == PICTURE.read_text(), "make synth draws it anew"


def test_the_picture_is_in_both_readmes() -> None:
    assert "](architecture.svg)" in README
    assert "](infra/architecture.svg)" in (ROOT / "README.md").read_text()


def test_base_images_are_pinned_by_content() -> None:
    lines = [line for line in (ROOT / "containers" / "bases.env").read_text().splitlines() if not line.startswith("#")]
    pinned = dict(line.split("=", 1) for line in lines)
    folders = {path.parent.name for path in (ROOT / "containers").glob("*/Dockerfile")}
    assert pinned.keys() == folders - {"features_spark"}  # whose account and tag differ by region
    for base in pinned.values():
        assert re.fullmatch(r"docker\.io/library/python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_the_costs_are_those_that_are_worked_out() -> None:
    assert f"<!-- costs:begin -->\n{table()}<!-- costs:end -->" in README


def test_costs_grow_with_the_payments_and_their_prices() -> None:
    little, much = lines(1), lines(1_000)
    assert sum(much.values()) > sum(little.values())
    assert lines(100, Prices(api_million=2))["API Gateway"] == 2 * lines(100)["API Gateway"]
    quick = lines(1_000, per=Assumptions(scores_per_vcpu=1_000))
    assert min(int(re.findall(r"\d+", name)[0]) for name in quick if name.startswith("ECS")) == 3
