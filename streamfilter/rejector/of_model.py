"""The rejector of a model: its thresholds, its scores, and the limits of its enrolled labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamfilter.config import RejectorConfig
from streamfilter.rejector.enrolled import with_enrolled
from streamfilter.rejector.thresholds import make_rejector
from streamfilter.stages import Rejector

if TYPE_CHECKING:
    from streamfilter.model import Model


def rejector_of(model: Model, config: RejectorConfig) -> Rejector:
    """See `make_rejector` and `with_enrolled`. Raises `ConfigError` for a score that the model does not have."""
    return with_enrolled(make_rejector(model.thresholds, config, model.scores), model.enrolled, config)
