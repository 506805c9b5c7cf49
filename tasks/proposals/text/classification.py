"""The run that is proposed for texts with a label each."""

from __future__ import annotations

from tasks.proposals.proposal import Facts, Plan, Proposal, Value, Wish, Work
from tasks.proposals.text import columns, static, transformer, values


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    seen = values.Seen.of(facts)
    fast = wish.preset == "fast"
    student = (
        static.student(facts, seen, wish.effort)
        if fast
        else transformer.student(facts, seen, wish.preset, wish.effort)
    )
    rows, pool = len(facts.rows["train"]), student.distill["pool"].value
    batch = values.batch_size(rows)
    epochs = values.teacher_epochs(facts, batch.value, wish.effort)
    labelled = 6 * rows * epochs.value + 2 * pool
    teacher = Work(
        facts.layer_parameters * labelled * float(seen.lengths.mean()) / 1e9,
        epochs.value * rows // batch.value,
    )
    return Plan(
        {
            "input_size": values.input_size(seen),
            "pretrain": values.teacher(facts),
            "finetune": _finetune(facts, batch, epochs, pool),
            "prune": student.prune,
            "distill": student.distill,
            "quantize": student.quantize,
            "benchmark": {"gates": student.gates},
        },
        minutes=wish.minutes_of(teacher + student.work, values.OTHER_MINUTES),
        remarks=values.remarks(facts, seen),
        space=static.SPACE if fast else transformer.SPACE,
    )


def _finetune(facts: Facts, batch: Value, epochs: Value, pool: int) -> dict[str, Value]:
    return {
        "epochs": epochs,
        "patience": Value(epochs.value, "all epochs are trained; the best on the validation rows is kept"),
        "batch_size": batch,
        "learning_rate": Value(0.0001 if batch.value <= 16 else 0.0002, "for this batch size"),
        **values.TRAINING,
        "dropout": Value(0.0),
        "freeze": Value("embeddings", "few rows touch few words"),
        "head_epochs": Value(0),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": values.class_weights(facts),
        "pool_outputs": Value(pool, "texts of the pool that the teacher labels"),
    }


PROPOSAL = Proposal(columns.recognise, plan, pretrained=None, longest=values.LONGEST_INPUT, noun="texts")
