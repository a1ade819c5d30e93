"""A rate card: what a second and an appearance of a label are worth, in a file of the user's.

currency: EUR
default: {per_second: 5}
labels:
  Pepsi: {per_second: 12.5, per_appearance: 100}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamfilter.config import Section, load_config
from streamfilter.reports.figures import Figures

Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Rate(Section):
    """What a label is worth."""

    per_second: Money = Field(0.0, description="For each second seen.")
    per_appearance: Money = Field(0.0, description="For each appearance.")


class RateCard(Section):
    """Rates by label."""

    currency: str = Field("", max_length=12, description="What amounts are counted in; only shown.")
    default: Rate = Field(Rate(), description="For labels without a rate of their own.")
    labels: Mapping[str, Rate] = Field(default_factory=dict, description="Rates of their own.")

    def worth(self, figures: Figures) -> tuple[float, float]:
        """What a label's presence is worth: by what was seen, and at most."""
        rate = self.labels.get(figures.label, self.default)
        fixed = rate.per_appearance * figures.appearances
        return fixed + rate.per_second * figures.seen_s, fixed + rate.per_second * figures.most_s


def load_rates(path: Path) -> RateCard:
    """A rate card from YAML. Raises `ConfigError`."""
    return load_config(RateCard, path)
