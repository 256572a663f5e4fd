#!/usr/bin/env bash
# Print who GitHub says this job is: the subject that the CI role must trust. The token itself is not shown.
set -euo pipefail
if [[ -z ${ACTIONS_ID_TOKEN_REQUEST_URL:-} ]]; then
    echo "there is no token to ask for: run this in a job of GitHub Actions with 'permissions: id-token: write'" >&2
    exit 2
fi
answer=$(curl --silent --show-error --fail --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com")
ANSWER=$answer python3 - <<'PYTHON'
import base64
import json
import os

payload = json.loads(os.environ["ANSWER"])["value"].split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
for name in ("sub", "aud", "repository", "repository_id", "repository_owner_id", "environment", "ref"):
    print(f"{name}: {claims.get(name)}")
PYTHON
