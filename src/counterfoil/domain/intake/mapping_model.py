"""The parts of a source mapping: how one kind of input file becomes the canonical tables."""

import re
from functools import cached_property
from typing import Literal

import pyarrow as pa
from pydantic import Field, field_validator

from counterfoil.domain.intake.mapping_amounts import DIRECTION, AmountFormat, Currency
from counterfoil.domain.intake.mapping_part import Part
from counterfoil.domain.intake.mapping_times import TimeFormat
from counterfoil.domain.schemas import transactions_schema
from counterfoil.errors import MappingError

PSEUDONYMS = {
    "account": "account_id",
    "device": "device_id",
    "source_ip": "source_ip_id",
    "email": "email_id",
    "phone": "phone_id",
}
"""Fields that are kept as keyed hashes only -> their canonical column."""

IDENTIFYING = (*PSEUDONYMS, "card_number")
"""Fields whose source column may never be kept as it is."""

CANONICAL_EVIDENCE = {"merchant_id": "merchant", "category": "category", "currency": "currency"}
"""Canonical columns that may serve as evidence -> the field that fills them."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class FileFormat(Part):
    """How the bytes of the file are laid out.

    Delimiter, quote and escape concern CSV only, the encoding CSV and JSON Lines; `null_values` are the texts that
    mean nothing. `quote` is "" if the file's writer never quotes; the character after `escape` has no other meaning.

    Of CSV, `skip_lines` stand above the header (or the first row). `header` "none": there is no header, and `columns`
    are the names from left to right. A line `sep=;` is passed over, and its delimiter taken.

    Of JSON, `records` is where in an object the array of the records is: `data.payments` in
    `{"data": {"payments": [...]}}`. `{"Records": [...]}` is known without it.
    """

    format: Literal[
        "csv", "parquet", "jsonl", "iso20022", "pacs.009", "pacs.004", "pain.008", "camt.052", "camt.053", "camt.054",
        "mt940", "mt942", "mt103", "nacha", "iso8583",
    ] = "csv"  # fmt: skip
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    skip_lines: int = Field(default=0, ge=0, le=1_000)
    header: Literal["first", "none"] = "first"
    columns: tuple[str, ...] = ()
    records: str = ""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or not value.isascii() or value in '"\r\n':
            raise ValueError(f"{value!r} is not one ASCII character other than a quote or line break")
        return value

    @field_validator("quote", "escape")
    @classmethod
    def _one_character_or_none(cls, value: str) -> str:
        if len(value) > 1 or not value.isascii() or value in ("\r", "\n", "\0"):
            raise ValueError(f'{value!r} is not one ASCII character other than a line break ("" for none)')
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except (LookupError, UnicodeError):
            raise ValueError(f"{value!r} is no encoding that Python knows (try 'utf-8' or 'latin-1')") from None
        return value

    @property
    def may_quote(self) -> bool:
        """Whether some signs in a CSV file may have no meaning, since they are quoted or escaped."""
        return bool(self.quote or self.escape)

    @property
    def names_each_value(self) -> bool:
        """Whether every record names its own values, so that some may be absent, instead of a header for all."""
        return self.format not in ("csv", "parquet")


Column = Field(default=None, min_length=1)


class Fields(Part):
    """Canonical field -> source column.

    An account may be made of several columns: what says whose number it is (bank, branch), then the number. So may
    the merchant, if it is an account that is paid (privacy.hashed). A time may be written in several columns, which
    are joined by a blank before it is read. Only a mapping of labels alone has no event time.
    """

    transaction_id: str | None = Column
    event_time: str | tuple[str, ...] = ""
    amount: str | None = Column
    currency: str | None = Column
    account: str | tuple[str, ...] | None = Column
    merchant: str | tuple[str, ...] | None = Column
    device: str | None = Column
    source_ip: str | None = Column
    email: str | None = Column
    phone: str | None = Column
    category: str | None = Column
    card_number: str | None = Column
    card_bin: str | None = Column
    label: str | None = Column
    label_time: str | tuple[str, ...] | None = Column

    @field_validator("event_time", "label_time")
    @classmethod
    def _columns_of_a_time(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(value, tuple) and (not value or not all(value)):
            raise ValueError('names no column (write ["date", "time"], in the order in which a time is written)')
        return value[0] if isinstance(value, tuple) and len(value) == 1 else value

    @field_validator("account", "merchant")
    @classmethod
    def _columns_of_an_account(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(value, tuple) and (not all(value) or len(set(value)) < len(value)):
            raise ValueError('names a column twice or none (write ["bank", "number"], the number last)')
        return value[0] if isinstance(value, tuple) and len(value) == 1 else value

    def mapped(self) -> dict[str, str]:
        """Return the fields that have a source column; of several columns the last, which has the account's number."""
        return {name: columns[-1] for name, columns in self.columns().items()}

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return all columns of the fields that have any."""
        given = {name: value for name, value in self if value}
        return {name: value if isinstance(value, tuple) else (value,) for name, value in given.items()}


class Labels(Part):
    """The texts in the label column that mean fraud, good and unknown."""

    fraud: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Evidence(Part):
    """Evidence name -> source column, by kind; and canonical columns that are evidence as well.

    `differences` and `ratios` are numbers made of two others, the first less (or over) the second: names of `numeric`
    evidence, or "amount". They are null where one of the two is, and a ratio where the second is 0.
    """

    numeric: dict[str, str] = Field(default={})
    differences: dict[str, tuple[str, ...]] = Field(default={})
    ratios: dict[str, tuple[str, ...]] = Field(default={})
    categorical: dict[str, str] = Field(default={})
    textual: dict[str, str] = Field(default={})
    categorical_fields: tuple[str, ...] = ()
    textual_fields: tuple[str, ...] = ()


class Privacy(Part):
    """Fields that are kept as keyed hashes though most sources may keep them as they are.

    A hashed merchant is an account that is paid: its hash is that of the same account when it pays.
    """

    hashed: tuple[Literal["merchant"], ...] = ()


class SourceMapping(Part):
    """How one kind of input file becomes canonical transactions. Made by `parse_mapping`."""

    name: str
    description: str = ""
    file: FileFormat = FileFormat()
    time: TimeFormat = TimeFormat()
    amount: AmountFormat = AmountFormat()
    currency: Currency = Currency()
    fields: Fields
    labels: Labels | None = None
    evidence: Evidence = Evidence()
    privacy: Privacy = Privacy()
    entities: dict[str, tuple[str, ...]] = Field(default={})

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(f"{value!r} is not lower-case letters, digits and hyphens")
        return value

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the numeric evidence: the columns of the source first, then what is made of pairs of them."""
        return (*self.evidence.numeric, *self.evidence.differences, *self.evidence.ratios)

    @property
    def own_categorical(self) -> tuple[str, ...]:
        """Names of categorical evidence that has a column of its own after the canonical ones."""
        made = (DIRECTION,) if self.amount.keep == "both" and DIRECTION not in self.evidence.categorical else ()
        return (*self.evidence.categorical, *made)

    @property
    def own_textual(self) -> tuple[str, ...]:
        """Names of textual evidence that has a column of its own after the canonical ones."""
        return tuple(self.evidence.textual)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of all categorical evidence: canonical columns first."""
        return (*self.evidence.categorical_fields, *self.own_categorical)

    @property
    def textual(self) -> tuple[str, ...]:
        """Names of all textual evidence: canonical columns first."""
        return (*self.evidence.textual_fields, *self.own_textual)

    @property
    def currency_meaningful(self) -> bool:
        """Whether the currency column may be used."""
        return self.currency.meaningful

    @cached_property
    def schema(self) -> pa.Schema:
        """Schema of the `transactions` that this mapping makes."""
        return transactions_schema(self.numeric, self.own_categorical, self.own_textual)

    @cached_property
    def read_fields(self) -> dict[str, str]:
        """Canonical field -> source column, for the fields that are read at all."""
        mapped = self.fields.mapped()
        if not self.currency_meaningful:
            mapped.pop("currency", None)
        return mapped

    @cached_property
    def tells_currency(self) -> bool:
        """Whether payments have a currency: from a column, a sign at the amount, or the mapping itself."""
        said = self.currency.code is not None or any(self.amount.symbols.values())
        return "currency" in self.read_fields or (said and self.currency_meaningful)

    @cached_property
    def account_columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of the fields that are accounts: the payer's, and the one that is paid if that is hashed."""
        accounts = ("account", *self.privacy.hashed)
        return {name: columns for name, columns in self.fields.columns().items() if name in accounts}

    @property
    def of_labels(self) -> "SourceMapping":
        """The same mapping for a file of labels: the payment's id, its label, and when that became known.

        Raises MappingError if one of the first two is not mapped.
        """
        fields = self.fields
        missing = [name for name in ("transaction_id", "label") if getattr(fields, name) is None]
        if missing:
            raise MappingError(f"mapping {self.name!r}: fields.{missing[0]} is missing: without it no label is read")
        kept = Fields(transaction_id=fields.transaction_id, label=fields.label, label_time=fields.label_time)
        return SourceMapping(
            name=self.name,
            description=self.description,
            file=self.file,
            time=self.time,
            fields=kept,
            labels=self.labels,
        )

    @property
    def identifying_columns(self) -> tuple[str, ...]:
        """The columns that say which payment it is, or who or what takes part in it."""
        names = ("transaction_id", "merchant", "card_bin", *IDENTIFYING)
        columns = self.fields.columns()
        return tuple(dict.fromkeys(column for name in names for column in columns.get(name, ())))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns without which no row can be kept."""
        columns = self.fields.columns()
        needed = [column for name in ("transaction_id", "event_time", "amount") for column in columns.get(name, ())]
        return tuple(dict.fromkeys((*needed, *self._direction)))

    @cached_property
    def source_columns(self) -> tuple[str, ...]:
        """The columns of the file that this mapping reads, each once."""
        evidence = self.evidence
        own = (*evidence.numeric.values(), *evidence.categorical.values(), *evidence.textual.values())
        read = [column for name in self.read_fields for column in self.fields.columns()[name]]
        return tuple(dict.fromkeys((*read, *self._direction, *own)))

    @property
    def _direction(self) -> tuple[str, ...]:
        column = self.amount.direction
        return (column,) if column is not None and self.fields.amount is not None else ()
