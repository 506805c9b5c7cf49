"""Rows of a text and of the text that shall be made of it."""

from __future__ import annotations

from tasks.kinds.base.data import Role, as_given
from tasks.kinds.text.common import parts
from tasks.kinds.text.common.writing import rows

ROLES = {
    "text": Role("the prompt: what the model reads", keeps_lines=True),
    "label": Role("the completion: what it shall write", keeps_lines=True),
    "pool": parts.POOL,
}
DATA = rows.data(roles=ROLES, examine=as_given)
