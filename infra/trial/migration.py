"""The image that sets up a deployment's database, on an empty one; its secrets come from a stand-in for AWS."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.trial.buildah import ImageError
from infra.trial.trial import Trial

_USERS = ("counterfoil_service", "counterfoil_steps")
_SECRETS = {"COUNTERFOIL_DATABASE_URL_SECRET": "place", "COUNTERFOIL_MIGRATION_OWNER_SECRET": "owner"}
_NOBODY = {"AWS_ACCESS_KEY_ID": "trial", "AWS_SECRET_ACCESS_KEY": "trial", "AWS_DEFAULT_REGION": "eu-west-1"}


def migrate(trial: Trial, image: str) -> Mapping[str, object]:
    """Run the image twice, as there are many deployments, and return what it made. Raises ImageError."""
    with psycopg.connect(trial.database, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    database = make_conninfo(trial.database, dbname="migrated")
    with _secrets(conninfo_to_dict(database)) as environment:
        for _ in range(2):
            trial.images.run(image, trial.images.entry_point(image), [trial.mount], environment)
    with psycopg.connect(database) as connection:
        query = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1"
        users = [name for (name,) in connection.execute(query, (list(_USERS),))]
        tables = "SELECT count(*) FROM pg_tables WHERE tableowner = 'counterfoil_schema'"
        [made] = connection.execute(tables).fetchone() or (0,)
    if users != list(_USERS) or not made:
        raise ImageError(f"{image} ended with 0, and left {made} tables and the users {users}")
    return {"tables": made, "users": users}


@contextmanager
def _secrets(parts: Mapping[str, object]) -> Iterator[Mapping[str, str]]:
    """The database's place, and its owner as RDS keeps one, in a Secrets Manager on the loopback."""
    import boto3
    from moto.server import ThreadedMotoServer

    place = {name: parts[key] for name, key in (("host", "host"), ("port", "port"), ("dbname", "dbname"))}
    owner = {"username": parts["user"], "password": "not asked for on a socket"}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it tells of each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {**_NOBODY, **_SECRETS, "AWS_ENDPOINT_URL": f"http://{host}:{port}", "NO_PROXY": host}
        secrets = boto3.client(
            "secretsmanager", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="eu-west-1",
            aws_access_key_id="trial", aws_secret_access_key="trial",
        )  # fmt: skip
        for name, content in (("place", place), ("owner", owner)):
            secrets.create_secret(Name=name, SecretString=json.dumps(content))
        yield environment
    finally:
        server.stop()
