"""A peer that answers by code of its own is asked like all others: columns in the run's order, one by one.

The real libraries are asked where they are installed, as in the environment that measures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import (
    forms,  # noqa: F401 - makes the peers' forms known to open_variant
    runtimes,
)
from benchmarks.peers.runtimes import Opened, OwnRuntime
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.core.errors import ModelError
from tests import tiny

LABELS = ["one", "two", "three"]
SETTING = Setting("text/classification", LABELS, 16, 4, 0, "cpu")


def lengths(texts: list[str]) -> np.ndarray:
    """Two columns: how long a text is against 100 signs, and the rest."""
    share = np.array([min(len(text), 100) / 100 for text in texts])
    return np.stack([share, 1 - share], axis=1)


def opened(folder: Path, classes: list[int]) -> OwnRuntime:
    return OwnRuntime(
        partial(lambda wanted, _: Opened(lengths, wanted), classes), Source("own", "own", folder), SETTING
    )


def test_columns_come_in_the_runs_order_and_unknown_labels_have_none(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"12345")
    own, rows = opened(tmp_path, [2, 0]), tiny.rows(3)
    assert own.bytes == 5
    answers = own.predict(rows)
    expected = lengths([row["text"] for row in rows])
    assert answers == pytest.approx(np.stack([expected[:, 1], np.zeros(3), expected[:, 0]], axis=1))
    assert own.answer(rows[0]) == pytest.approx(answers[:1])


def test_a_batch_is_texts_and_is_answered_whole(tmp_path: Path) -> None:
    own, rows = opened(tmp_path, [0, 1]), tiny.rows(3)
    own.use(1)
    assert own.prepare(rows, 128) == [row["text"] for row in rows]
    assert own.forward(own.prepare(rows, None)) == pytest.approx(own.predict(rows))


def test_a_label_that_the_run_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the peer knows label 3; the run has labels 0 to 2"):
        opened(tmp_path, [0, 3]).answer(tiny.rows(1)[0])


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The body as its library saves it, the head as numbers: what setfit/compress.py leaves."""
    from safetensors.numpy import save_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("sentences")
    states = Transformer(str(tiny.checkpoint_in(folder / "checkpoint")), max_seq_length=16)
    body = SentenceTransformer(
        modules=[states, Pooling(states.get_embedding_dimension(), "mean")], device="cpu"
    )
    texts = [row["text"] for row in tiny.rows(30)]
    head = LogisticRegression(max_iter=1000).fit(body.encode(texts), [number % 3 for number in range(30)])
    body.save(str(folder / "out"), create_model_card=False)
    numbers = {"weights": head.coef_, "bias": head.intercept_, "classes": head.classes_}
    contiguous = {name: np.ascontiguousarray(values) for name, values in numbers.items()}
    save_file(contiguous, folder / "out" / runtimes.HEAD)
    np.save(folder / "expected.npy", head.predict_proba(body.encode(texts)))
    return Source("own", "own_sentences", folder / "out")


def test_an_encoder_answers_from_a_folder_without_a_pickle(sentences: Source) -> None:
    own = open_variant(sentences, SETTING)
    expected = np.load(sentences.folder.parent / "expected.npy")
    assert own.predict(tiny.rows(30)) == pytest.approx(expected, abs=1e-5)
    assert own.bytes == sum(file.stat().st_size for file in sentences.folder.rglob("*") if file.is_file())
    assert not [file for file in sentences.folder.rglob("*") if file.suffix in {".pkl", ".bin", ".joblib"}]


def test_model2vec_answers_from_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("model2vec")
    from model2vec import StaticModel
    from model2vec.inference import StaticModelPipeline
    from model2vec.inference.mlp import Activation, Layer, MLPHead

    texts = [row["text"] for row in tiny.rows(50)]
    tokenizer = tiny.wordpiece(texts, 300).backend_tokenizer
    dice = np.random.default_rng(0)
    static = StaticModel(
        vectors=dice.normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32),
        tokenizer=tokenizer,
        config={"normalize": True},
        normalize=True,
    )
    layer = Layer(dice.normal(size=(3, 8)).astype(np.float32), np.zeros(3, np.float32))
    pipeline = StaticModelPipeline(static, MLPHead([layer], Activation.SOFTMAX, np.arange(3)))
    pipeline.save_pretrained(str(tmp_path))
    own = open_variant(Source("own", "own_model2vec", tmp_path), SETTING)
    assert own.predict(tiny.rows(3)) == pytest.approx(pipeline.predict_proba(texts[:3]), abs=1e-6)


def test_fasttext_answers_in_the_order_of_the_labels(tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    from benchmarks.peers.fasttext.compress import prepared

    rows = tiny.rows(60)
    lines = [f"__label__{number % 3} {prepared(row['text'])}" for number, row in enumerate(rows)]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = fasttext.train_supervised(
        input=str(tmp_path / "train.txt"), epoch=50, lr=1.0, dim=8, bucket=1000, thread=1, verbose=0
    )
    (tmp_path / "out").mkdir()
    model.save_model(str(tmp_path / "out" / runtimes.FASTTEXT))
    own = open_variant(Source("own", "own_fasttext", tmp_path / "out"), SETTING)
    answers = own.predict(rows)
    assert answers.sum(1) == pytest.approx(1, abs=1e-3)
    ((first,),), _ = model.predict([prepared(rows[0]["text"])])
    assert answers[0].argmax() == int(first.removeprefix("__label__"))
