"""All that the doctor saw and found."""

from __future__ import annotations

from dataclasses import dataclass

from playground_amp.doctor.clips import ClipReport
from playground_amp.doctor.finding import Finding
from playground_amp.doctor.machine import Machine
from playground_amp.doctor.separability import FeatureStats


@dataclass(frozen=True)
class Diagnosis:
    """The features of policy and reference, the figures of the clips and the machine, and what is wrong with them."""

    features: list[FeatureStats]
    findings: list[Finding]
    clips: list[ClipReport]
    machine: Machine

    @property
    def errors(self) -> int:
        """How many of the findings would spoil a run."""
        return sum(finding.spoils for finding in self.findings)

    @property
    def verdict(self) -> str:
        """Whether a training may start, in words."""
        if not self.errors:
            return "ready to train"
        return f"{self.errors} problem{'s' if self.errors > 1 else ''} would spoil a run"

    @property
    def giveaway(self) -> str:
        """The feature that tells policy from reference best, and whether that is a fault, if it can be said."""
        worst = max(self.features, key=lambda feature: feature.separability)
        causes = [finding.code for finding in self.findings if worst.name in finding.dimensions and finding.spoils]
        said = f"{worst.name} gives the policy away most (AUC {worst.separability:.2f})"
        if causes:
            return f"{said}; likely cause: {causes[0]}"
        return said if self.errors else f"{said}; no fault was found in it, so this is what it has to learn"
