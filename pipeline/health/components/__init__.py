"""
The components of the score, in the order snapshots list them. To add one: a file, a line here, its numbers in
``health/scorecard.py`` (docs/scoring.md, "Adding to it").
"""

from typing import Final

from pipeline.health.components.assessment import NOT_ASSESSED, Assessment, Component
from pipeline.health.components.billing import BILLING
from pipeline.health.components.sentiment import SENTIMENT
from pipeline.health.components.support import SUPPORT
from pipeline.health.components.usage import USAGE

COMPONENTS: Final = (USAGE, SUPPORT, SENTIMENT, BILLING)

COMPONENT_NAMES: Final = tuple(component.name for component in COMPONENTS)

__all__ = ["COMPONENTS", "COMPONENT_NAMES", "NOT_ASSESSED", "Assessment", "Component"]
