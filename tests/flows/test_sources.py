"""What a data set of the hub becomes, tried on one made here: the hub itself cannot be reached from tests."""

from __future__ import annotations

from datasets import ClassLabel, Dataset, Features, List, Value

from flows import sources


def test_numbers_of_labels_become_their_names_alone_and_in_lists() -> None:
    names = ClassLabel(names=["O", "B-per"])
    features = Features({"tokens": List(Value("string")), "tags": List(names), "topic": names})
    rows = {"tokens": [["a", "b"], []], "tags": [[1, 0], []], "topic": [1, None]}
    split = sources._with_names(Dataset.from_dict(rows, features=features))
    assert split["tags"][:] == [["B-per", "O"], []]
    assert split["topic"][:] == ["B-per", None]
    assert split["tokens"][:] == rows["tokens"]
