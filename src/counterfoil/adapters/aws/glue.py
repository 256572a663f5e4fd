"""The Glue catalogue of tables in S3, for Athena, QuickSight and Spark: it follows the manifest.

A table has the partition keys `event_date` (where its runs have such folders) and `run`. Each partition points
at the folder that the manifest names for its run, so a run that is published again is moved, never doubled.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from counterfoil.adapters.aws.clients import aws_client, aws_reported
from counterfoil.adapters.folder.manifest import RUNS, PublishedRun
from counterfoil.domain.schemas import EVENT_DATE
from counterfoil.errors import StoreUnavailableError, UsageError

Types = Mapping[str, str]
"""Columns by name, with types as Glue calls them."""

_RUN = "run"
_NO_DATE = "__HIVE_DEFAULT_PARTITION__"  # null, as Athena and Spark read it
_UPDATES = 100  # what Glue takes in one call


class GlueCatalogue:
    """The tables of one Glue database, which is made with the first of them.

    All methods raise StoreUnavailableError, which names the database, the reason and a way out.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._opened: tuple[int, Any] | None = None
        self._lent: Any = None

    def require_fit(self, table: str, types: Types) -> None:
        """Raise UsageError if the table has a column of another type."""
        with aws_reported(self._name):
            known = _columns(self._table(table))
        name = _contradiction(known, types)
        if name is not None:
            raise UsageError(
                f"column {name!r} of table {table!r} is {types[name]} and other runs have {known[name]}: "
                "publish it in place of all runs, or make the other runs again with this version"
            )

    def follow(
        self,
        table: str,
        home: str,
        runs: Sequence[PublishedRun],
        run: str | None,
        types: Callable[[], Types],
    ) -> None:
        """Give the table at the address `home` the partitions of `runs`, all it has; `run`: look only at that one.

        `types` is asked for the columns if there are new partitions. A table that they contradict is rebuilt.
        """
        with aws_reported(self._name):
            known = self._table(table)
            scope = None if known is None else run
            wanted = _places(home, [entry for entry in runs if scope in (None, entry.run)], _dated(known, runs))
            found = {} if known is None else self._partitions(table, scope)
            new = {values for values, place in wanted.items() if _place(found.get(values)) != place}
            if new and _contradiction(_columns(known), types()) is not None:
                self._delete(table)
                return self.follow(table, home, runs, None, types)
            if new:
                if not types().keys() <= _columns(known).keys():
                    self._define(table, home, types(), dated=_dated(known, runs))
                columns = _columns(self._table(table))
                self._add(table, {wanted[values]: list(values) for values in new - found.keys()}, columns)
                self._move(table, {wanted[values]: found[values] for values in new & found.keys()}, columns)
            self._drop(table, [list(values) for values in found.keys() - wanted.keys()])
        return None

    @property
    def _name(self) -> str:
        return f"Glue database {self._database!r}"

    def _table(self, table: str) -> Any:
        """Return Glue's description of the table, or None."""
        glue = self._glue()
        try:
            return glue.get_table(DatabaseName=self._database, Name=table)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return None

    def _partitions(self, table: str, run: str | None) -> dict[tuple[str, ...], Any]:
        scope = {} if run is None else {"Expression": f"{_RUN} = '{run}'"}
        pages = self._glue().get_paginator("get_partitions")
        found = pages.paginate(DatabaseName=self._database, TableName=table, **scope)
        return {tuple(partition["Values"]): partition for page in found for partition in page["Partitions"]}

    def _define(self, table: str, home: str, types: Types, *, dated: bool) -> None:
        """Make the table, or give it the columns that are new."""
        self._make_database()
        _awswrangler().catalog.create_parquet_table(
            database=self._database,
            table=table,
            path=f"{home}/{RUNS}/",  # beside the manifest, which is no Parquet: readers of a whole table list it all
            columns_types=dict(types),
            partitions_types={EVENT_DATE: "date", _RUN: "string"} if dated else {_RUN: "string"},
            mode="append",
            boto3_session=self._session(),
        )

    def _make_database(self) -> None:
        glue = self._glue()
        try:
            glue.get_database(Name=self._database)
        except glue.exceptions.EntityNotFoundException:
            try:
                glue.create_database(DatabaseInput={"Name": self._database, "Description": "Counterfoil's tables"})
            except glue.exceptions.AlreadyExistsException:
                return

    def _add(self, table: str, values: dict[str, list[str]], columns: Types) -> None:
        if values:
            _awswrangler().catalog.add_parquet_partitions(
                database=self._database,
                table=table,
                partitions_values=values,
                columns_types=dict(columns),
                boto3_session=self._session(),
            )

    def _move(self, table: str, partitions: Mapping[str, Any], columns: Types) -> None:
        """Point partitions at new places; each is at the old one or the new one at any moment."""
        entries = [_moved(partition, place, columns) for place, partition in partitions.items()]
        for start in range(0, len(entries), _UPDATES):
            some = entries[start : start + _UPDATES]
            answer = self._glue().batch_update_partition(DatabaseName=self._database, TableName=table, Entries=some)
            if answer.get("Errors"):
                code = answer["Errors"][0].get("ErrorDetail", {}).get("ErrorCode")
                raise StoreUnavailableError(f"{self._name}: partitions of {table!r} stay ({code}): publish again")

    def _drop(self, table: str, values: list[list[str]]) -> None:
        if values:
            _awswrangler().catalog.delete_partitions(
                table=table, database=self._database, partitions_values=values, boto3_session=self._session()
            )

    def _delete(self, table: str) -> None:
        _awswrangler().catalog.delete_table_if_exists(
            database=self._database, table=table, boto3_session=self._session()
        )

    def _glue(self) -> Any:
        """Return this process's client: connections cannot be shared with a parent process."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), aws_client("glue"))
        return self._opened[1]

    def _session(self) -> Any:
        """Return a session for awswrangler, which would retry in botocore's older way."""
        import boto3
        import botocore.session

        if self._lent is None:
            core = botocore.session.Session()
            core.set_config_variable("retry_mode", "standard")
            self._lent = boto3.session.Session(botocore_session=core)
        return self._lent


def glue_types(table: str, paths: Sequence[Path]) -> Types:
    """Return the columns of these Parquet files, without those that are partition keys. Raises UsageError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wrangler = _awswrangler()
    keys = {_RUN} | {EVENT_DATE for path in paths if path.parent.name.startswith(f"{EVENT_DATE}=")}
    try:
        schema = pa.unify_schemas([pa.schema([]), *map(pq.read_schema, paths)])
        types = wrangler._data_types.athena_types_from_pyarrow_schema(schema)
    except (pa.ArrowException, wrangler.exceptions.UnsupportedType, wrangler.exceptions.UndetectedType) as error:
        raise UsageError(f"table {table!r} has no place in Glue: {error}") from None
    clean = wrangler.catalog.sanitize_column_name
    return {clean(name): kind for name, kind in types.items() if clean(name) not in keys}


def _dated(known: Any, runs: Iterable[PublishedRun]) -> bool:
    """Return whether the table has the key event_date: it does if it was made with it, or if it will be."""
    if known is not None:
        return any(key["Name"] == EVENT_DATE for key in known["PartitionKeys"])
    return any(_date(entry, name) is not None for entry in runs for name in entry.files)


def _places(home: str, runs: Iterable[PublishedRun], dated: bool) -> dict[tuple[str, ...], str]:
    """Return the folder of each partition that has files."""
    places: dict[tuple[str, ...], str] = {}
    for entry in runs:
        for name in entry.files:
            date = _date(entry, name) if dated else None
            values = (date or _NO_DATE, entry.run) if dated else (entry.run,)
            below = f"{EVENT_DATE}={date}/" if date else ""
            places[values] = f"{home}/{entry.folder}/{below}"
    return places


def _date(entry: PublishedRun, name: str) -> str | None:
    """Return the event_date of a file's folder, or None."""
    folder = PurePosixPath(name).relative_to(entry.folder).parts[0]
    key, _, value = folder.partition("=")
    return value if key == EVENT_DATE and value else None


def _place(partition: Any) -> str | None:
    return None if partition is None else str(partition["StorageDescriptor"]["Location"])


def _columns(known: Any) -> dict[str, str]:
    """Return the columns of Glue's description of a table; none if there is no table."""
    return {} if known is None else {item["Name"]: item["Type"] for item in known["StorageDescriptor"]["Columns"]}


def _contradiction(known: Types, types: Types) -> str | None:
    """Return a column that has two types, or None."""
    return next((name for name in types if types[name] != known.get(name, types[name])), None)


def _moved(partition: Any, place: str, columns: Types) -> dict[str, Any]:
    """Return Glue's request to point a partition at another place."""
    described = [{"Name": name, "Type": kind} for name, kind in columns.items()]
    storage = {**partition["StorageDescriptor"], "Location": place, "Columns": described}
    return {
        "PartitionValueList": partition["Values"],
        "PartitionInput": {
            "Values": partition["Values"],
            "StorageDescriptor": storage,
            "Parameters": partition.get("Parameters", {}),
        },
    }


def _awswrangler() -> Any:
    try:
        import awswrangler
    except ImportError:
        raise UsageError("Glue was asked for and awswrangler is not here: install counterfoil[aws]") from None
    return awswrangler
