#!/usr/bin/env bash
# awswrangler 3.17.1: the first batch of a table fixes how large its amounts may ever be.
# Seen: a first append of Decimal("22.20") makes a column decimal(4,2) in the Glue catalog, just wide enough for that
# value. A later append of Decimal("100.00") fails; Decimal("1.5") is stored.
# Expected: a decimal of full precision (38) with the scale of the data, as pandas has no precision to copy.
# What we do: we write files with Arrow's schema, amounts as decimal(18, 4), and give the catalog that schema.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet awswrangler==3.17.1 boto3==1.44.5 pandas==3.1.1 pyarrow==25.0.1 'moto[s3,glue]==5.2.5'
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
import os

os.environ.update(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none", AWS_DEFAULT_REGION="eu-west-1")

from decimal import Decimal
from importlib.metadata import version

import awswrangler
import boto3
import pandas as pd
import pyarrow as pa
from moto import mock_aws


def append(table, amount, **options):
    """The error of an append, if any, and the type of the column then."""
    frame, error = pd.DataFrame({"amount": [Decimal(amount)]}), None
    place = {"path": f"s3://lake-of-tests/{table}/", "dataset": True, "database": "lake", "table": table}
    try:
        awswrangler.s3.to_parquet(frame, **place, mode="append", **options)
    except pa.ArrowInvalid as raised:
        error = str(raised.args[0])
    return error, awswrangler.catalog.get_table_types("lake", table)["amount"]


with mock_aws():
    region = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3").create_bucket(Bucket="lake-of-tests", CreateBucketConfiguration=region)
    awswrangler.catalog.create_database("lake")
    seen = [append("plain", amount) for amount in ("22.20", "100.00", "1.5")]
    typed = [append("typed", amount, dtype={"amount": "decimal(18,4)"}) for amount in ("22.20", "100.00")]

print(f"awswrangler {version('awswrangler')}: (error, type) of the appends 22.20, 100.00 and 1.5")
print(f"seen: {seen}")
print("expected: no error")
print(f"what we do: we say the type at the start; then: {typed}")
assert [kind for _, kind in seen] == ["decimal(4,2)"] * 3, "the behaviour changed"
assert [error is None for error, _ in seen] == [True, False, True], "the behaviour changed"
assert typed == [(None, "decimal(18,4)")] * 2, "the way out no longer works"
PYTHON
