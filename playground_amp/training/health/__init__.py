"""Health: what the curves of a run say in words, and which settings to change."""

from playground_amp.training.health.sentences import CAUSES
from playground_amp.training.health.symptoms import DIVERGED, HISTORY, LEARNING, TOO_EARLY
from playground_amp.training.health.verdict import HealthStatus, assess_health, is_flat

__all__ = ["CAUSES", "DIVERGED", "HISTORY", "LEARNING", "TOO_EARLY", "HealthStatus", "assess_health", "is_flat"]
