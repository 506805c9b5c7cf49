"""SetFit and sentence-transformers make a classifier of a sentence encoder:  python -I compress.py JOB

Runs inside their own environment and imports nothing of Slipway. The recipes are those of their
documentation: SetFit's contrastive fine-tuning with a logistic head (huggingface.co/docs/setfit, quickstart)
and its knowledge distillation (.../how_to/knowledge_distillation); sentence-transformers' reduction of layers
(sbert.net, training examples, model distillation).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from safetensors.numpy import save_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MSELoss
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from setfit import DistillationTrainer, SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

SEED = 42
"""Their own default."""
STEPS = 1000
"""All pairs of 1,000 rows would be a day's work; `max_steps` is what its documentation bounds them by."""
STEPS_OF_STUDENT = 500
"""As in its documentation of distillation."""
UNLABELLED = 2000
"""Texts of the pool that the student of SetFit sees: its trainer lists all their pairs."""
KEPT = {"two-layers": (1, 4), "three-layers": (0, 2, 4)}
"""Layers of six, evenly spread, as the example keeps 1, 4, 7 and 10 of twelve."""
STUDENTS = {"plain": None, "distilled": KEPT["three-layers"]}
"""Recipe of SetFit -> its student's layers. The documentation's student is a sentence encoder of three layers
from the hub; this one is made of the pretrained encoder."""
Encoded = tuple[SentenceTransformer, LogisticRegression]


def main(job: dict[str, Any]) -> None:
    torch.set_num_threads(job["threads"])
    torch.manual_seed(SEED)
    body, head = _made(job)
    body.save(job["out"], create_model_card=False)
    _save_head(head, Path(job["out"]) / "head.safetensors")
    if texts := job.get("ask"):
        probabilities = head.predict_proba(body.encode(texts, show_progress_bar=False))
        save_file({"probabilities": probabilities}, Path(job["out"]) / "answers.safetensors")


def _made(job: dict[str, Any]) -> Encoded:
    if layers := KEPT.get(job["recipe"]):
        student = _reduced(job, layers)
        head = LogisticRegression(max_iter=1000)
        return student, head.fit(student.encode(job["train"]), job["train_labels"])
    tuned = _tuned(job)
    if layers := STUDENTS[job["recipe"]]:
        tuned = _distilled(tuned, layers, job)
    return tuned.model_body, tuned.model_head


def _encoder(job: dict[str, Any]) -> SentenceTransformer:
    """The pretrained encoder with the modules of all-MiniLM-L6-v2: mean of the states, unit length."""
    states = Transformer(job["pretrained"], max_seq_length=job["input_size"])
    modules = [states, Pooling(states.get_embedding_dimension(), "mean"), Normalize()]
    return SentenceTransformer(modules=modules, device="cpu")


def _arguments(steps: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir="steps",
        batch_size=16,
        max_steps=steps,
        seed=SEED,
        report_to="none",
        save_strategy="no",
        show_progress_bar=False,
    )


def _tuned(job: dict[str, Any]) -> SetFitModel:
    model = SetFitModel(_encoder(job), LogisticRegression(max_iter=1000))
    rows = Dataset.from_dict({"text": job["train"], "label": job["train_labels"]})
    Trainer(model=model, args=_arguments(STEPS), train_dataset=rows).train()
    return model


def _distilled(teacher: SetFitModel, layers: Sequence[int], job: dict[str, Any]) -> SetFitModel:
    student = SetFitModel(_reduced(job, layers), LogisticRegression(max_iter=1000))
    texts = Dataset.from_dict({"text": [*job["train"], *job["pool"][:UNLABELLED]]})
    DistillationTrainer(
        teacher_model=teacher, student_model=student, args=_arguments(STEPS_OF_STUDENT), train_dataset=texts
    ).train()
    return student


def _reduced(job: dict[str, Any], layers: Sequence[int]) -> SentenceTransformer:
    """An encoder with these layers alone, trained to embed the pool's texts as the whole one does."""
    whole, student = _encoder(job), _encoder(job)
    model = student[0].auto_model
    model.encoder.layer = torch.nn.ModuleList([model.encoder.layer[number] for number in layers])
    model.config.num_hidden_layers = len(layers)
    texts = [*job["train"], *job["pool"]]
    rows = Dataset.from_dict({"sentence": texts, "label": list(whole.encode(texts, batch_size=64))})
    arguments = SentenceTransformerTrainingArguments(
        output_dir="steps",
        num_train_epochs=1,
        per_device_train_batch_size=64,
        learning_rate=1e-4,
        warmup_steps=0.1,
        seed=SEED,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    SentenceTransformerTrainer(
        model=student, args=arguments, train_dataset=rows, loss=MSELoss(student)
    ).train()
    return student


def _save_head(head: LogisticRegression, file: Path) -> None:
    """As numbers: SetFit's own format of a logistic head is a pickle, which runs code when it is read."""
    numbers = {"weights": head.coef_, "bias": head.intercept_, "classes": head.classes_}
    save_file({name: np.ascontiguousarray(values) for name, values in numbers.items()}, file)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
