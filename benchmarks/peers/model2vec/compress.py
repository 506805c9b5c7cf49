"""Model2Vec makes a classifier of static embeddings:  python -I compress.py JOB

Runs inside its own environment and imports nothing of Slipway. The recipes are those of its documentation
(minish.ai/packages/model2vec: distillation, training, quantization): distil a sentence encoder with the
defaults, then logistic regression on the embeddings, or fine-tuning of embeddings and a head.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from model2vec import StaticModel
from model2vec.distill import distill_from_model
from model2vec.inference import StaticModelPipeline
from model2vec.inference.mlp import Activation, Layer, MLPHead
from model2vec.model import quantize_model
from model2vec.train import StaticModelForClassification, StaticModelForSimilarity
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer


class Recipe(NamedTuple):
    source: str
    """The checkpoint of the job that is distilled."""
    fine_tuned: bool
    taught: bool = False
    """Whether the table first learns the encoder's embeddings of the pool's texts."""
    int8: bool = False


RECIPES = {
    "logistic": Recipe("pretrained", fine_tuned=False),
    "fine-tuned": Recipe("pretrained", fine_tuned=True),
    "fine-tuned-int8": Recipe("pretrained", fine_tuned=True, int8=True),
    "teacher-logistic": Recipe("teacher", fine_tuned=False),
    "teacher-fine-tuned": Recipe("teacher", fine_tuned=True),
    "pool-fine-tuned": Recipe("pretrained", fine_tuned=True, taught=True),
}
BATCH = 64


def main(job: dict[str, Any]) -> None:
    torch.set_num_threads(job["threads"])
    recipe = RECIPES[job["recipe"]]
    encoder = AutoModel.from_pretrained(job[recipe.source], local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(job[recipe.source], local_files_only=True)
    static = distill_from_model(encoder, tokenizer, device="cpu")
    if recipe.taught:
        # `distill_from_model` leaves its encoder without some pieces, so the texts need it anew.
        encoder = AutoModel.from_pretrained(job[recipe.source], local_files_only=True).eval()
        static = _taught(static, _embedded(encoder, tokenizer, job), job["pool"])
    pipeline = _fine_tuned(static, job) if recipe.fine_tuned else _logistic(static, job)
    if recipe.int8:
        pipeline.model = quantize_model(pipeline.model, quantize_to="int8")
    pipeline.save_pretrained(job["out"])


def _logistic(static: StaticModel, job: dict[str, Any]) -> StaticModelPipeline:
    """Its pipelines hold a head of linear layers, which logistic regression is one of.

    With two classes scikit-learn keeps one row of weights, softmax takes two.
    """
    fitted = LogisticRegression(max_iter=1000).fit(static.encode(job["train"]), job["train_labels"])
    weights, bias = fitted.coef_, fitted.intercept_
    if len(weights) == 1:
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    # In C's order: safetensors writes the memory as it lies.
    layer = Layer(np.ascontiguousarray(weights, np.float32), np.ascontiguousarray(bias, np.float32))
    return StaticModelPipeline(static, MLPHead([layer], Activation.SOFTMAX, fitted.classes_))


def _fine_tuned(static: StaticModel, job: dict[str, Any]) -> StaticModelPipeline:
    """With its defaults; it stops by the validation rows, as Slipway's own training chooses its epoch."""
    classifier = StaticModelForClassification.from_static_model(model=static)
    classifier.fit(
        job["train"],
        job["train_labels"],
        device="cpu",
        X_val=job["validation"],
        y_val=job["validation_labels"],
    )
    return classifier.to_pipeline()


def _taught(static: StaticModel, vectors: np.ndarray, texts: list[str]) -> StaticModel:
    student = StaticModelForSimilarity.from_static_model(model=static)
    return student.fit(texts, torch.from_numpy(vectors), device="cpu").to_static_model()


def _embedded(encoder: Any, tokenizer: Any, job: dict[str, Any]) -> np.ndarray:
    """The means of the encoder's last states (n, d) for the texts of the pool."""
    parts = []
    for at in range(0, len(job["pool"]), BATCH):
        texts = job["pool"][at : at + BATCH]
        batch = tokenizer(
            texts, truncation=True, max_length=job["input_size"], padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            states = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"][:, :, None]
        parts.append(((states * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(parts)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
