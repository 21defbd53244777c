"""The policy in NumPy alone: `action, target = load("policy.npz")(observation)`, observation [..., O] -> [..., J]."""

import numpy as np


def load(path):
    """The policy of a file: observations as contract.json has them -> actions, and servo targets in rad."""
    with np.load(path, allow_pickle=False) as file:
        p = dict(file)
    layers = [(p[f"weight_{i}"], p[f"bias_{i}"]) for i in range(int(p["layers"]))]

    def network(x):
        x = np.clip((x - p["mean"]) / p["std"], -p["clip"], p["clip"])
        for weight, bias in layers[:-1]:
            x = x @ weight + bias
            x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))  # ELU
        return x @ layers[-1][0] + layers[-1][1]

    def policy(observation):
        x = np.asarray(observation, np.float32)
        action = network(x)
        if "action_partner" in p:  # symmetric: half of it is what the reflected robot would do, reflected back
            reflected = network(x[..., p["observation_partner"]] * p["observation_sign"])
            action = 0.5 * (action + p["action_sign"] * reflected[..., p["action_partner"]])
        return action, np.clip(p["default"] + p["scale"] * action, p["lower"], p["upper"])

    return policy
