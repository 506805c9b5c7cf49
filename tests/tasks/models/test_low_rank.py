"""A table of words of low rank.

The nearest there is, apart while it is trained and in the graph, whole and plain in between.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from tasks.core.errors import ModelError
from tasks.export import low_rank_table, package
from tasks.models import low_rank
from tests.tasks.export.test_int4_table import look_up, table

RANK = 8


def model() -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    return BertForSequenceClassification(config).eval()


def answers(model: BertForSequenceClassification) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=torch.arange(60).reshape(6, 10)).logits
    return logits


def rank_of(model: BertForSequenceClassification) -> int:
    return int(torch.linalg.matrix_rank(model.get_input_embeddings().weight, rtol=1e-4))


def test_no_table_of_that_rank_is_nearer_and_the_config_tells_it() -> None:
    student = model()
    before = student.get_input_embeddings().weight.detach().clone()
    low_rank.lower(student, RANK)
    apart = float(torch.linalg.matrix_norm(student.get_input_embeddings().weight.detach() - before))
    assert apart == pytest.approx(float(torch.linalg.svdvals(before)[RANK:].square().sum().sqrt()), rel=1e-4)
    assert rank_of(student) == RANK
    assert student.config.to_dict()["word_rank"] == RANK
    assert student.get_input_embeddings().padding_idx == student.config.pad_token_id


@pytest.mark.parametrize("rank", [None, 32, 64])
def test_table_that_is_no_wider_stays_and_an_old_rank_is_forgotten(rank: int | None) -> None:
    student = model()
    before = student.get_input_embeddings().weight.detach().clone()
    student.config.word_rank = 8
    low_rank.lower(student, rank)
    low_rank.take_apart(student)
    assert torch.equal(student.get_input_embeddings().weight, before)
    assert "word_rank" not in student.config.to_dict()


def test_apart_and_joined_again_it_answers_alike_and_keeps_its_rank_while_it_learns() -> None:
    student = model()
    low_rank.lower(student, RANK)
    before = answers(student)
    low_rank.take_apart(student)
    torch.testing.assert_close(answers(student), before)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.01)
    for _ in range(5):
        student(input_ids=torch.arange(60).reshape(6, 10), labels=torch.tensor([0, 1] * 3)).loss.backward()
        optimizer.step()
    apart = answers(student)
    low_rank.join(student)
    torch.testing.assert_close(answers(student), apart)
    assert not torch.allclose(apart, before, atol=0.01)
    assert rank_of(student) == RANK


VIT = ViTConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32
)
RESNET = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])


@pytest.mark.parametrize(
    "net", [ViTForImageClassification(VIT), ResNetForImageClassification(RESNET)], ids=["vit", "resnet"]
)
def test_model_without_words_is_refused_by_name_and_otherwise_left_alone(net: PreTrainedModel) -> None:
    had = low_rank.parameters(net)
    low_rank.lower(net, None)
    low_rank.take_apart(net)
    low_rank.join(net)
    assert low_rank.parameters(net) == had
    with pytest.raises(
        ModelError,
        match=rf"prune.word_rank: the teacher \({net.config.model_type}\) reads no words; leave it out",
    ):
        low_rank.check(net)


def test_parameters_are_those_of_the_factors() -> None:
    student = model()
    had = low_rank.parameters(student)
    low_rank.lower(student, RANK)
    assert low_rank.parameters(student) == had - 60 * 32 + RANK * (60 + 32)
    low_rank.take_apart(student)
    assert sum(tensor.numel() for tensor in student.parameters()) == had - 60 * 32 + RANK * (60 + 32)


def test_number_of_threads_changes_no_byte() -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            halves = [*low_rank.balanced(table(64), RANK), *low_rank_table.turned(table(64), RANK)]
        found.append([half.tobytes() for half in halves])
    assert found[0] == found[1]


def test_graph_with_factors_looks_up_the_same_numbers_from_even_columns(tmp_path: Path) -> None:
    words = (table(RANK) @ table(64)[:RANK]).astype(np.float32)
    file = low_rank_table.take_apart(look_up(tmp_path, words), RANK)
    ids = np.random.default_rng(1).integers(0, len(words), (3, 11))
    got = package.session(file, threads=1).run(None, {"input_ids": ids})[0]
    np.testing.assert_allclose(got, words[ids], atol=1e-4 * np.abs(words).max())
    assert file.stat().st_size < 4 * RANK * (len(words) + 64) + 1000
    narrow, _ = low_rank_table.turned(words, RANK)
    lengths = np.linalg.norm(narrow, axis=0)
    assert lengths.max() < 4 * lengths.min()
