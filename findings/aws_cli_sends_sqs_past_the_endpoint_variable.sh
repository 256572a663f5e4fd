#!/usr/bin/env bash
# AWS CLI 1.45.11 (botocore 1.43.11): with AWS_ENDPOINT_URL set, `aws sqs` goes to AWS all the same; other services obey.
# Seen: `aws kinesis list-streams` and `aws sns list-topics` reach the server that the variable names, `aws sqs list-queues`
# asks for another host. botocore of the same installation gives an SQS client the variable's address.
# Expected: the variable is read for all services, or for none.
# It meets whoever tries a queue of alerts on an emulator: messages of a test go to the account, or nowhere.
# What we do: the test with the command line gives --endpoint-url with each call (tests/integration/test_real_clients.py).
# Nothing leaves this machine but the installation: other hosts are asked through a proxy that only writes their names down.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet awscli==1.45.11 botocore==1.43.11
cd "$folder"

"$folder/venv/bin/python" - "$folder/venv/bin/aws" <<'PYTHON'
import http.server
import os
import subprocess
import sys
import threading

import botocore
import botocore.session

asked = []


class Answer(http.server.BaseHTTPRequestHandler):
    """Writes down whom a command asks, and refuses."""

    def refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked.append((self.server.name, self.path if self.command == "CONNECT" else "the service"))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_CONNECT = refuse

    def log_message(self, *_):
        pass


def listen(name):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


os.environ |= {
    "AWS_ENDPOINT_URL": listen("endpoint"), "HTTPS_PROXY": listen("proxy"), "NO_PROXY": "127.0.0.1",
    "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_MAX_ATTEMPTS": "1", "HOME": os.getcwd(),
}
went = {}
for service, command in (("kinesis", "list-streams"), ("sns", "list-topics"), ("sqs", "list-queues")):
    asked.clear()
    subprocess.run([sys.argv[1], service, command], capture_output=True, check=False, timeout=120)
    went[service] = asked[0]
    print(f"aws {service} {command}: {went[service]}")
client = botocore.session.get_session().create_client("sqs")
print(f"botocore {botocore.__version__}, sqs: {client.meta.endpoint_url}")
assert went["kinesis"] == went["sns"] == ("endpoint", "the service"), "the behaviour changed"
assert went["sqs"][0] == "proxy" and went["sqs"][1].endswith("amazonaws.com:443"), "the behaviour changed"
assert client.meta.endpoint_url == os.environ["AWS_ENDPOINT_URL"], "the behaviour changed"
PYTHON
