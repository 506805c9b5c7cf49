"""Where a pretrained model comes from, and what pins it, as params say."""

from __future__ import annotations

from pydantic import Field, model_validator

from tasks.core.params import Section

SOURCES = {"package": "version", "folder": "sha256", "hub": "revision"}


class Source(Section):
    """Where the pretrained model comes from, and what pins it. Of the three forms, one."""

    package: str | None = Field(
        None, description="installed package that carries a checkpoint; pinned by `version`"
    )
    version: str | None = Field(None, description="of the package")
    folder: str | None = Field(
        None, description="folder of the workspace with a checkpoint; pinned by `sha256`"
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="of the folder's files, as an error message tells it"
    )
    hub: str | None = Field(
        None, pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the model hub; pinned by `revision`"
    )
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="full commit of the hub id")

    @model_validator(mode="after")
    def one_form(self) -> Source:
        given = self.model_fields_set
        if not any(given == {form, pin} for form, pin in SOURCES.items()):
            raise ValueError(
                "must be one of " + ", ".join(f"{{{form}, {pin}}}" for form, pin in SOURCES.items())
            )
        return self
