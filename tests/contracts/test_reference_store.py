"""What every ReferenceStore must do."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pgbouncer import WAYS, Poolers

from counterfoil.adapters.postgres.references import PostgresReferences
from counterfoil.domain.release.references import checksum, in_canonical_order, vectors_of
from counterfoil.errors import NotFoundError, ReferenceConflictError, ReleaseMismatchError, UsageError
from counterfoil.ports.releases import ReferenceStore

Maker = Callable[..., pa.Table]


@pytest.fixture(params=WAYS)
def dsn(dsn: str, poolers: Poolers, request: pytest.FixtureRequest) -> str:
    """Return the DSN of an empty database, without a pooler or by one."""
    return poolers.reach(dsn, request.param)


@pytest.fixture
def store(dsn: str) -> Iterator[ReferenceStore]:
    references = PostgresReferences(dsn)
    yield references
    references.close()


def test_a_base_comes_back_as_it_was_written(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(300, 7)
    digest = store.write_base("r1", table)
    back = store.read_base("r1")
    assert back.equals(in_canonical_order(table).combine_chunks())
    assert back.schema.equals(table.schema)
    assert digest == store.checksum("r1") == checksum(table)


def test_the_order_of_ids_is_that_of_their_bytes(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(6, 3)
    ids = pa.array(["b", "B", "a-1", "a1", "é", "a_1"])
    store.write_base("r1", table.set_column(0, table.schema.field(0), ids))
    for label in (1, 0):
        rows = store.read_base("r1").filter(pc.field("label") == label).column("reference_id").to_pylist()
        assert rows == sorted(rows, key=str.encode)


def test_writing_the_same_content_again_does_nothing(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(50, 4)
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(50)))
    assert store.write_base("r1", table) == store.write_base("r1", shuffled)
    assert store.read_base("r1").num_rows == 50


def test_another_content_is_a_conflict_and_changes_nothing(store: ReferenceStore, reference_table: Maker) -> None:
    digest = store.write_base("r1", reference_table(50, 4))
    with pytest.raises(ReferenceConflictError, match="'r1'"):
        store.write_base("r1", reference_table(50, 4, seed=1))
    assert store.checksum("r1") == digest == checksum(store.read_base("r1"))


def test_releases_are_apart_whatever_their_width(store: ReferenceStore, reference_table: Maker) -> None:
    store.write_base("r2", reference_table(40, 4))
    store.write_base("r1", reference_table(30, 9))
    assert store.releases() == ["r1", "r2"]
    assert store.read_base("r1").num_rows == 30
    assert len(store.nearest("r2", 0, _unit(4), 100)) == 32
    assert len(store.nearest("r1", 1, _unit(9), 100)) == 6


def test_nearest_names_the_most_similar_of_one_side(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(400, 16)
    store.write_base("r1", table)
    for label in (1, 0):
        side = table.filter(pc.field("label") == label)
        asked = vectors_of(side)[3]
        cosines = vectors_of(side) @ asked
        best = np.argsort(-cosines)[:5]
        found = store.nearest("r1", label, asked, 5)
        assert [item.reference_id for item in found] == side.column("reference_id").take(best).to_pylist()
        assert [item.label for item in found] == [label] * 5
        np.testing.assert_allclose([item.similarity for item in found], cosines[best], atol=1e-6)


def test_a_side_without_references_has_no_neighbours(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(40, 4)
    store.write_base("r1", table.filter(pc.field("label") == 0))
    assert store.nearest("r1", 1, _unit(4), 5) == []
    assert len(store.nearest("r1", 0, _unit(4), 5)) == 5


def test_a_vector_of_another_width_is_a_mismatch(store: ReferenceStore, reference_table: Maker) -> None:
    store.write_base("r1", reference_table(40, 4))
    with pytest.raises(ReleaseMismatchError, match="'r1'"):
        store.nearest("r1", 0, _unit(5), 5)


def test_a_dropped_base_is_gone_and_its_id_is_free(store: ReferenceStore, reference_table: Maker) -> None:
    store.write_base("r1", reference_table(40, 4))
    store.nearest("r1", 0, _unit(4), 5)
    store.drop("r1")
    store.drop("r1")
    assert store.releases() == []
    with pytest.raises(NotFoundError):
        store.nearest("r1", 0, _unit(4), 5)
    store.write_base("r1", reference_table(40, 5))
    assert len(store.nearest("r1", 0, _unit(5), 5)) == 5


def test_an_unknown_release_is_named_with_those_there_are(store: ReferenceStore, reference_table: Maker) -> None:
    store.write_base("r1", reference_table(40, 4))
    for ask in (store.read_base, store.checksum, lambda name: store.nearest(name, 0, _unit(4), 5)):
        with pytest.raises(NotFoundError, match=r"'r9'.*r1"):
            ask("r9")


@pytest.mark.parametrize("name", ["a" * 300, 'x"; DROP TABLE reference; --', "ü/ö:1", "it's"])
def test_any_text_is_a_release_id(store: ReferenceStore, reference_table: Maker, name: str) -> None:
    store.write_base(name, reference_table(20, 4))
    assert store.releases() == [name]
    assert len(store.nearest(name, 0, _unit(4), 3)) == 3


def test_unusable_references_and_questions_are_refused(store: ReferenceStore, reference_table: Maker) -> None:
    table = reference_table(20, 4)
    labels = pa.array([2] * 20, pa.int8())
    doubled = pa.FixedSizeListArray.from_arrays(pa.array(2 * vectors_of(table).ravel()), 4)
    unusable = {
        "without rows": table.slice(0, 0),
        "labels": table.set_column(1, table.schema.field(1), labels),
        "length": table.set_column(8, table.schema.field(8), doubled),
    }
    for reason, references in unusable.items():
        with pytest.raises(UsageError, match=reason):
            store.write_base("r1", references)
    assert store.releases() == []
    store.write_base("r1", table)
    for reason, label, vector, k in (
        ("side", 2, _unit(4), 5),
        ("k = 0", 0, _unit(4), 0),
        ("NaN", 0, _nan(4), 5),
    ):
        with pytest.raises(UsageError, match=reason):
            store.nearest("r1", label, vector, k)


def _unit(dimensions: int) -> np.ndarray:
    return np.full(dimensions, dimensions**-0.5, dtype=np.float32)


def _nan(dimensions: int) -> np.ndarray:
    return np.full(dimensions, np.nan, dtype=np.float32)


def test_a_reader_leaves_nothing_to_who_comes_next(dsn: str, store: ReferenceStore, reference_table: Maker) -> None:
    """The reader's role is that of its transaction: whoever gets its server process next may write."""
    reader = PostgresReferences(dsn, reader=True)
    store.write_base("r1", reference_table(20, 4))
    for number in range(4):
        assert len(reader.nearest("r1", 0, _unit(4), 3)) == 3
        with pytest.raises(UsageError, match="owner"):
            reader.drop("r1")
        store.write_base(f"again-{number}", reference_table(20, 4))
        store.drop(f"again-{number}")
    assert store.releases() == ["r1"]
    reader.close()


def test_many_questions_need_nothing_prepared(store: ReferenceStore, reference_table: Maker, dsn: str) -> None:
    """The driver prepares what it asks five times; the next server process would not know it."""
    store.write_base("r1", reference_table(40, 4))
    other = PostgresReferences(dsn)
    for _ in range(8):
        for each in (store, other):
            assert len(each.nearest("r1", 0, _unit(4), 3)) == 3
    other.close()
