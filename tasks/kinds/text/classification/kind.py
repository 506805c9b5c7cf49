"""One text in, one label out: the kind of headlines and desks, of messages and intents."""

from __future__ import annotations

from tasks.kinds.base import single_label
from tasks.kinds.base.kind import Kind
from tasks.kinds.text.common import one_label
from tasks.kinds.text.common.long_texts import TextOptions

KIND = Kind(
    task="text_classification",
    options=TextOptions,
    data=one_label.data(label="what it shall answer"),
    model=one_label.MODEL,
    quality=single_label.quality(one_label.baseline),
    package=one_label.PACKAGE,
    report=one_label.REPORT,
)
