"""What the curves of a run show: the states of its health, and the thresholds that each begins at.

Thresholds count iterations, not environment steps: an iteration holds the same number of updates whatever the number of
robots, and discriminator and policy change by updates. Those of scores are in units of the loss: what lies between the
two scores that it aims at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from playground_amp.config import Config

Row = Mapping[str, float]

TOO_EARLY = "not enough steps yet"
LEARNING = "learning"
FLAT = "discriminator flat"
TOO_STRONG = "discriminator too strong"
CERTAIN = "discriminator certain"
TOO_WEAK = "discriminator too weak"
COLLAPSED = "policy collapsed"
SUSPICIOUS = "reference suspicious"
OSCILLATING = "oscillating"
DIVERGED = "diverged"

WARM_UP = 100  # iterations before anything is judged; a healthy discriminator has its full spread after 30
WINDOW = 20  # newest iterations that are judged, by the medians of their halves
HOLD = 50  # iterations a state stays after it was last seen
HISTORY = 200  # iterations of one fatal symptom after which a run is dead, and over which oscillation is counted

FLAT_SPREAD = 0.05  # of D, and of its means' distance, units; in healthy runs the wider of the two is above 0.1
SURE = 0.95  # accuracy
NO_REWARD = 0.1  # style reward above a sure fake's; healthy runs' never falls below 0.15, the default's below 0.2
WITHOUT_FAIL = 0.98  # AUC; a healthy beginner's is as high, and its style reward rises
LITTLE = 0.25  # of the style reward that the reference earns; sick runs have 0.1 to 0.22, the default's 0.43 and more
RISE = 1.07  # of the style reward within 2 WINDOW, that shows a way out; a G1's that came to walk was 1.08 to 1.26
CLEAR_RISE = 1.15  # the same, that ends the state
CERTAIN_FOR = 100  # iterations
BY_CONTACTS = 0.2  # share of the contacts in telling the robot; sound clips have up to 0.1, floating ones 0.2 to 0.46
DEAD_REWARD = 0.05  # the same; the clipped scores of a discriminator that is always right leave about this much
GUESSING = 0.55  # accuracy
WRONG_WAY = 0.45  # accuracy; only a discriminator that does not learn stays below a half
GUESSING_DISTANCE = 0.3  # between the means of D, in standard deviations; a healthy run's stays above 1
SEEN_THROUGH = 0.98  # accuracy without noise
HIDING = 0.1  # input noise that may hide from the discriminator what it would be sure of
WALKS = 0.8  # episode length relative to the time limit
ONE_POSE = 0.3  # feature diversity; a healthy run's is 0.95 to 1.4
FEW_MODES = 0.25  # mode coverage of robots that stay up; once they do, healthy runs have 0.7, the slowest 0.4
STAYS_UP = 0.5  # episode length relative to the time limit
FALLS_AT_ONCE = 0.06  # episode length relative to the time limit; an untrained robot's is about as much
LEARNED_TO_STAND = 3 * WARM_UP  # iterations after which falling at once is no beginner's
SWING = 0.2  # width of a swing of the distance between the means of D, units; a healthy run's noise is 0.01
SWINGS = 4  # changes from one side of a swing to the other within HISTORY; half of them keep the verdict


def blocks(rows: Sequence[Row], size: int) -> list[Row]:
    """Medians of every `size` rows up to the newest."""
    return [medians(rows[i : i + size]) for i in range(len(rows) % size, len(rows), size)]


def medians(rows: Sequence[Row]) -> Row:
    common = set.intersection(*(set(row) for row in rows))  # a resumed run may have begun to measure something
    return {name: float(np.median([row[name] for row in rows])) for name in common}


def symptom_of(row: Row, config: Config) -> str:
    return next((state for state, shows in SYMPTOMS.items() if shows(row, config)), LEARNING)


def is_fatal(row: Row, config: Config) -> bool:
    """Whether the symptom leaves the policy nothing to learn from."""
    state = symptom_of(row, config)
    if state in (TOO_STRONG, SUSPICIOUS):
        return paid(row, config) < DEAD_REWARD
    if state == COLLAPSED:
        return keeps_one_pose(row) or falls_at_once(row, config)
    return state == FLAT or (state == TOO_WEAK and row["disc_acc"] < WRONG_WAY)


def unit(config: Config) -> float:
    """What lies between the scores that the loss aims at: b - a of lsgan, 2 between the margins (or logits) -1 and 1.

    A critic aims at none: its unit is the slope it is held to, the score of one normalised input unit.
    """
    amp = config.amp
    if amp.loss == "wasserstein":
        return amp.gp_target if amp.gp_weight and amp.gp_target else 1.0
    return amp.targets[1] - amp.targets[0] if amp.loss == "lsgan" else 2.0


def paid(row: Row, config: Config) -> float:
    """How much of the style reward can teach the policy: what lies above the pay of a sure fake.

    The mean of a linear reward follows from the accuracy and no bound cuts it, so there it is the standard deviation
    over the robot's samples.
    """
    amp = config.amp
    if amp.reward == "linear":
        return 0.5 * row["disc_fake_std"] / max(_deviation(row), 1e-6)
    return row["amp_reward"] - _sure_fake(config)


def _sure_fake(config: Config) -> float:
    """The style reward of a score that the loss aims at for the robot, of a reward with bounds or nearly so."""
    return math.log1p(math.exp(-1.0)) if (config.amp.loss, config.amp.reward) == ("hinge", "softplus") else 0.0


def is_flat_row(row: Row, config: Config) -> bool:
    """Accuracy says nothing here: it is anything from 0 to 1 for scores that are all the same."""
    if "disc_acc" not in row:
        return False
    return max(row["disc_real_std"], row["disc_fake_std"], abs(_distance(row))) < FLAT_SPREAD * unit(config)


def _too_strong(row: Row, config: Config) -> bool:
    rewarded = "disc_acc" in row and row["iteration"] > config.amp.warm_up
    return rewarded and row["disc_acc"] > SURE and paid(row, config) < NO_REWARD


def is_certain(rows: Sequence[Row], config: Config, *, iterations: int, rise: float) -> bool:
    """Told from the reference without fail for the newest `iterations`, for little reward that has not risen by `rise`.

    Of a beginner the first is true and not the last. A linear reward is the same for any scores told apart without
    fail, so there it says nothing.
    """
    rows = rows[-iterations:]
    if len(rows) < iterations or config.amp.reward == "linear":
        return False
    if not all(_earns_little(block, config) for block in blocks(rows, WINDOW // 2)):
        return False
    before, now = (medians(part)["amp_reward"] for part in (rows[-3 * WINDOW : -2 * WINDOW], rows[-WINDOW:]))
    return now < rise * before


def is_known_by_contacts(rows: Sequence[Row], config: Config) -> bool:
    """Told from the reference without fail for HOLD iterations, for little reward, and by its feet's contacts.

    A beginner is not told by them: the clips' feet are where no robot's can be, so that a rising reward is no way out.
    """
    rows = rows[-HOLD:]
    if len(rows) < HOLD or config.amp.reward == "linear":
        return False
    shares = [row.get("disc_by_foot_contacts", 0.0) for row in rows]
    return float(np.median(shares)) > BY_CONTACTS and all(
        _earns_little(block, config) for block in blocks(rows, WINDOW // 2)
    )


def _earns_little(row: Row, config: Config) -> bool:
    """Whether the robot is told from the reference without fail, and paid little of what the reference would be."""
    if row.get("disc_auc_clean", 0.0) < WITHOUT_FAIL or row["iteration"] <= config.amp.warm_up:
        return False
    return paid(row, config) < LITTLE * (row["amp_reward_reference"] - _sure_fake(config))


def _suspicious(row: Row, config: Config) -> bool:
    """The robot walks, so it is no beginner, and is told from the reference all the same.

    Without noise on its inputs a discriminator may well be right and pay: there the reward alone counts. With it,
    scores of inputs without noise lie off the midpoint that it learned, both on the same side: their accuracy may be
    0.7 where every one of the reference's is above every one of the robot's. There the AUC counts, with what the robot
    is paid of the reference's reward: alone it is above 0.999 in sound runs, too.
    """
    if "disc_acc" not in row or row["episode_length"] <= WALKS * config.env.episode_length:
        return False
    hidden = config.amp.input_noise >= HIDING and (row["disc_acc_clean"] > SEEN_THROUGH or _earns_little(row, config))
    return hidden or _too_strong(row, config)


def _too_weak(row: Row, config: Config) -> bool:
    if "disc_acc" not in row:
        return False
    spread = math.hypot(row["disc_real_std"], row["disc_fake_std"]) / math.sqrt(2.0)
    return row["disc_acc"] < GUESSING and _distance(row) < GUESSING_DISTANCE * spread


def _collapsed(row: Row, config: Config) -> bool:
    return keeps_one_pose(row) or keeps_few_modes(row, config) or falls_at_once(row, config)


def keeps_one_pose(row: Row) -> bool:
    return row.get("feature_diversity", 1.0) < ONE_POSE


def keeps_few_modes(row: Row, config: Config) -> bool:
    """The robot has learned to stay up, and to do little of what the reference does."""
    stays_up = row["episode_length"] > STAYS_UP * config.env.episode_length
    return stays_up and row.get("mode_coverage", 1.0) < FEW_MODES and row["iteration"] > WARM_UP + config.amp.warm_up


def falls_at_once(row: Row, config: Config) -> bool:
    short = row["episode_length"] < FALLS_AT_ONCE * config.env.episode_length
    return short and row["iteration"] > LEARNED_TO_STAND


def _distance(row: Row) -> float:
    """Mean D of the reference less that of the robot."""
    return row["disc_real_mean"] - row["disc_fake_mean"]


def _deviation(row: Row) -> float:
    """Standard deviation of all scores, reference and robot counting the same."""
    return math.hypot(row["disc_real_std"], row["disc_fake_std"], _distance(row) / math.sqrt(2.0)) / math.sqrt(2.0)


def count_swings(rows: Sequence[Row], config: Config) -> int:
    """How often the distance between the means of D has gone from one side of its median to the other.

    Scores without bounds must swing by their own standard deviation, too: many units apart, one unit is noise.
    """
    rows = [row for row in rows if "disc_acc" in row and row["iteration"] > WARM_UP]
    if not rows:
        return 0
    width = SWING * unit(config)
    if config.amp.loss != "lsgan":
        width = max(width, _deviation(medians(rows)))
    distances = np.array([_distance(row) for row in rows])
    offset = distances - np.median(distances)
    side = np.sign(offset[np.abs(offset) > width / 2.0])
    return int(np.count_nonzero(np.diff(side)))


# in this order: the first that shows is the verdict
SYMPTOMS: dict[str, Callable[[Row, Config], bool]] = {
    FLAT: is_flat_row,
    COLLAPSED: _collapsed,
    SUSPICIOUS: _suspicious,
    TOO_STRONG: _too_strong,
    TOO_WEAK: _too_weak,
}
