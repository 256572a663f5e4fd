#!/usr/bin/env bash
# cdk-nag 3.0.2 with aws-cdk-lib 2.275.0 (needs Node): acknowledging a rule by its name acknowledges no wildcard.
# Seen: a role may read "*". Acknowledging "AwsSolutions-IAM5" at the role leaves the finding, with no word about the
# acknowledgment; only "AwsSolutions-IAM5[Resource::*]", the name with what was found, is taken.
# Expected: the name of a rule covers all that it finds at that construct, as a suppression in cdk-nag 2 does without
# its list of what it applies to; or an error that the acknowledgment matched nothing.
# What we do: we build the exact name from each resource of a policy, and write a reason for each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aws-cdk-lib==2.275.0 cdk-nag==3.0.2 constructs==10.8.1 jsii==1.142.0
cd "$folder"

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks


def passes(number, *names):
    app = cdk.App(outdir=f"out{number}")
    reads = iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"])
    role = iam.Role(
        cdk.Stack(app, "Stack"), "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"reads": iam.PolicyDocument(statements=[reads])},
    )  # fmt: skip
    for name in names:
        cdk.Validations.of(role).acknowledge(cdk.Acknowledgment(id=name, reason="it reads any object by design"))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if "Validation failed" not in str(error):
            raise
        return False
    return True


seen = passes(1), passes(2, "AwsSolutions-IAM5"), passes(3, "AwsSolutions-IAM5[Resource::*]")
print(f"cdk-nag {version('cdk-nag')}, aws-cdk-lib {version('aws-cdk-lib')}: does a role that may read * pass?")
print(f"seen: {seen[0]} as it is, {seen[1]} with AwsSolutions-IAM5, {seen[2]} with AwsSolutions-IAM5[Resource::*]")
print("expected: True with AwsSolutions-IAM5, or an error that it matches nothing")
print("what we do: we acknowledge the exact name of each resource")
assert seen == (False, False, True), "the behaviour changed"
PYTHON
