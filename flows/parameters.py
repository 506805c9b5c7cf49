"""What an operator may ask of a run: the types behind the form of Prefect's UI, which its server checks before a run begins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flows.overrides import PATTERN
from flows.worktree import HASH
from tasks.shared.params import RUN_NAME

RUN = RUN_NAME.pattern

Run = Annotated[str, Field(pattern=f"^{RUN}$")]
Runs = Annotated[tuple[Run, ...], Field(max_length=1000)]
Stages = Annotated[tuple[Annotated[str, Field(pattern=f"^[a-z][a-z0-9_-]*(@{RUN})?$")], ...], Field(max_length=1000)]
Overrides = Annotated[tuple[Annotated[str, Field(pattern=PATTERN, max_length=500)], ...], Field(max_length=100)]
Revision = Annotated[str, Field(pattern=HASH)]
Seconds = Annotated[float, Field(ge=0, le=30 * 24 * 3600)]
Deployment = Literal["compress/gpu", "compress/cpu"]
Version = Annotated[int, Field(ge=0, le=1_000_000)]
