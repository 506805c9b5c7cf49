"""The run that is proposed for texts with a label each."""

from __future__ import annotations

from tasks.proposals.proposal import Facts, Plan, Proposal, Value, Wish, Work
from tasks.proposals.text import columns, static, teachers, transformer, values


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    seen = values.Seen.of(facts)
    fast = wish.preset == "fast"
    student = (
        static.student(facts, seen, wish.effort)
        if fast
        else transformer.student(facts, seen, wish.preset, wish.effort)
    )
    pool = student.distill["pool"].value
    teacher = teachers.teacher(facts, seen, wish.effort)
    read = pool + values.READINGS * len(facts.rows["train"])
    read += (1 + teacher.finetune["epochs"].value) * len(facts.rows["validation"])
    answered = Work(2 * facts.layer_parameters * read * float(seen.lengths.mean()) / 1e9, 0)
    return Plan(
        {
            "input_size": values.input_size(seen),
            "pretrain": {**teacher.pretrain, **values.teacher(facts)},
            "finetune": {
                **teacher.finetune,
                "pool_outputs": Value(pool, "texts of the pool that the teacher labels"),
            },
            "prune": student.prune,
            "distill": student.distill,
            "quantize": student.quantize,
            "benchmark": {"gates": student.gates},
        },
        minutes=wish.minutes_of(teacher.work + answered + student.work, values.OTHER_MINUTES),
        remarks=values.remarks(facts, seen),
        space=static.SPACE if fast else transformer.SPACE,
    )


PROPOSAL = Proposal(
    columns.recognise,
    plan,
    pretrained=None,
    longest=values.LONGEST_INPUT,
    noun="texts",
    described=True,
)
