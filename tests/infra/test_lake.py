"""What keeps data keeps it: encryption, versions, protection, and the way back."""

import json

from aws_cdk.assertions import Match, Template
from synthesised import Synthesised

from infra.parts.database import USERS

BUCKETS = {"raw", "lake", "results", "artefacts", "logs"}


def _lake(synthesised: Synthesised) -> Template:
    return Template.from_json(synthesised.templates["counterfoil-prod-lake"])


def _purpose(bucket: dict[str, object]) -> str:
    return json.dumps(bucket["BucketName"]).split("counterfoil-prod-")[1].split("-")[0]


def test_buckets_are_private_versioned_and_logged(prod: Synthesised) -> None:
    buckets = prod.properties("AWS::S3::Bucket")
    assert {_purpose(bucket) for bucket in buckets} == BUCKETS
    for bucket in buckets:
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        if _purpose(bucket) == "logs":
            continue
        rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert "DestinationBucketName" in bucket["LoggingConfiguration"]


def test_removed_objects_are_gone_within_a_week_and_executions_outlive_the_step_cache(prod: Synthesised) -> None:
    for bucket in prod.properties("AWS::S3::Bucket"):
        rules = bucket["LifecycleConfiguration"]["Rules"]
        if _purpose(bucket) != "logs":
            assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
        if _purpose(bucket) == "lake":
            [executions] = [rule for rule in rules if rule.get("Prefix") == "executions/"]
            assert executions["ExpirationInDays"] > 30
            assert not [rule for rule in rules if rule.get("Prefix", "").startswith("lake/")]


def test_every_bucket_refuses_what_does_not_come_by_tls(prod: Synthesised) -> None:
    policies = prod.properties("AWS::S3::BucketPolicy")
    assert len(policies) == len(BUCKETS)
    for policy in policies:
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [statement["Condition"] for statement in denied]


def test_only_raw_files_are_told_of(prod: Synthesised) -> None:
    told = [bucket for bucket in prod.properties("AWS::S3::Bucket") if "NotificationConfiguration" in bucket]
    assert [_purpose(bucket) for bucket in told] == ["raw"]


def test_data_outlives_the_stack_in_prod_only(prod: Synthesised, dev: Synthesised) -> None:
    kinds = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key")
    for kind in kinds:
        assert {one["DeletionPolicy"] for one in prod.of(kind).values()} == {"RetainExceptOnCreate"}
        assert {one["DeletionPolicy"] for one in dev.of(kind).values()} == {"Delete"}
    assert {one["DeletionPolicy"] for one in dev.of("AWS::RDS::DBInstance").values()} == {"Snapshot"}


def test_tables_can_be_restored_and_profiles_expire(prod: Synthesised) -> None:
    tables = {table["TableName"]: table for table in prod.properties("AWS::DynamoDB::Table")}
    assert tables.keys() == {"counterfoil-prod-ledger", "counterfoil-prod-profiles"}
    for table in tables.values():
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEType"] == "KMS"
        assert table["DeletionProtectionEnabled"] is True
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert "TimeToLiveSpecification" not in tables["counterfoil-prod-ledger"]
    assert tables["counterfoil-prod-profiles"]["TimeToLiveSpecification"]["Enabled"] is True


def test_the_ledger_has_the_key_that_the_adapter_asks_for(prod: Synthesised) -> None:
    from counterfoil.adapters.aws.ledger import _key
    from counterfoil.ports.lake import SourceFile

    [ledger] = [t for t in prod.properties("AWS::DynamoDB::Table") if t["TableName"].endswith("ledger")]
    assert {key["AttributeName"] for key in ledger["KeySchema"]} == _key(SourceFile("s3://a/b", "c")).keys()


def test_the_database_stands_twice_and_lets_nobody_in_without_tls(prod: Synthesised) -> None:
    _lake(prod).has_resource_properties(
        "AWS::RDS::DBInstance",
        {
            "Engine": "postgres",
            "MultiAZ": True,
            "StorageEncrypted": True,
            "EnableIAMDatabaseAuthentication": True,
            "ManageMasterUserPassword": True,
            "DeletionProtection": True,
            "PubliclyAccessible": False,
            "BackupRetentionPeriod": 35,
            "MasterUserPassword": Match.absent(),
        },
    )
    _lake(prod).has_resource_properties(
        "AWS::RDS::DBParameterGroup", {"Parameters": Match.object_like({"rds.force_ssl": "1"})}
    )


def test_places_of_the_database_hold_no_password(prod: Synthesised) -> None:
    places = [s for s in prod.properties("AWS::SecretsManager::Secret") if "/database/" in s["Name"]]
    assert {place["Name"].rpartition("/")[2] for place in places} == {*USERS, "counterfoil_owner"}
    for place in places:
        assert "password" not in json.dumps(place["SecretString"])


def test_a_place_is_a_dsn_that_the_product_reads(prod: Synthesised) -> None:
    from counterfoil.adapters.postgres.secret_dsn import dsn_of_secret

    [place] = [s for s in prod.properties("AWS::SecretsManager::Secret") if s["Name"].endswith("_service")]
    parts = place["SecretString"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "db.eu-west-1.rds.amazonaws.com" for part in parts)
    dsn = dsn_of_secret(text, place["Name"])
    assert "user=counterfoil_service" in dsn
    assert "port=5433" in dsn


def test_the_pseudonym_key_is_made_at_random(prod: Synthesised) -> None:
    _lake(prod).has_resource_properties(
        "AWS::SecretsManager::Secret",
        {"Name": "counterfoil-prod/pseudonym-key", "GenerateSecretString": Match.object_like({"PasswordLength": 64})},
    )


def test_the_key_turns_yearly(prod: Synthesised) -> None:
    [alias] = prod.properties("AWS::KMS::Alias")
    assert alias["AliasName"] == "alias/counterfoil-prod"
    _lake(prod).has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})
