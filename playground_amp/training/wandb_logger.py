"""wandb, chosen so that it never asks and never blocks; without it nothing is imported of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

from playground_amp.core.files import write_whole

INIT_TIMEOUT = 30  # seconds after which a run without network goes offline
ID_FILE = "wandb_id"


def choose_mode(setting: str) -> str:
    """online, offline or off: the setting, else WANDB_MODE, else online when an API key is at hand."""
    environment = {"disabled": "off", "dryrun": "offline", "run": "online"}
    if setting != "auto":
        return setting
    if mode := os.environ.get("WANDB_MODE"):
        return environment.get(mode, mode)
    return "online" if _logged_in() else "offline"


def _logged_in() -> bool:
    import wandb

    try:
        return bool(wandb.login(prompt=False))
    except Exception:  # a broken key file must not stop a training
        return False


def start(mode: str, run_dir: Path, project: str, config: dict[str, Any]) -> wandb.Run | None:
    """A wandb run that writes into `run_dir`/wandb, or None when off; goes offline when the service does not answer."""
    if mode == "off":
        return None
    id_file = run_dir / ID_FILE
    run_id = (id_file.read_text().strip() if id_file.exists() else "") or secrets.token_hex(4)
    write_whole(id_file, run_id)
    try:
        return _init(mode, run_dir, project, config, run_id)
    except Exception:
        if mode == "offline":
            raise
        return _init("offline", run_dir, project, config, run_id)


def log_video(run: wandb.Run, path: Path, iteration: int) -> None:
    """Send a video, beside the metrics of its iteration."""
    import wandb

    run.log({"video": wandb.Video(str(path))}, step=iteration)


def _init(mode: str, run_dir: Path, project: str, config: dict[str, Any], run_id: str) -> wandb.Run:
    import wandb

    settings = wandb.Settings(init_timeout=INIT_TIMEOUT, silent=True, console="off", x_disable_stats=True)
    run = wandb.init(
        project=project,
        name=run_dir.name,
        id=run_id,
        resume="allow" if mode == "online" else None,
        dir=str(run_dir),
        config=config,
        mode=mode,  # ty: ignore
        settings=settings,
    )
    run.define_metric("*", step_metric="env_steps")
    return run
