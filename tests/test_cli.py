"""Scripts end with the right exit code and without a traceback, and every one explains itself."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import slow

from playground_amp.__main__ import COMMANDS
from playground_amp.core.console import run
from playground_amp.core.errors import InputError, nearest
from playground_amp.core.reporter import say

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def outcome(main, capsys) -> tuple[int, str]:
    """Exit code of `main` and what it says on stderr."""
    try:
        run(main)
        code = 0
    except SystemExit as error:
        code = error.code
    return code, capsys.readouterr().err


def raising(error: BaseException):
    def main():
        raise error

    return main


def test_exit_codes(capsys):
    assert outcome(lambda: None, capsys) == (0, "")
    assert outcome(raising(InputError("no clip 'x'")), capsys) == (2, "error: no clip 'x'\n")
    full = OSError(28, "No space left on device", "runs/a/metrics.jsonl")
    assert outcome(raising(full), capsys) == (
        2,
        "error: cannot write 'runs/a/metrics.jsonl': No space left on device\n",
    )


def test_what_is_said_is_one_line_as_it_stands(capsys):
    sentence = "go on with --set env.command.forward=[0.4, 0.8]" + 60 * " and on"
    say(sentence)
    assert capsys.readouterr() == ("", f"{sentence}\n")


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
    with pytest.raises(FileNotFoundError):
        run(raising(FileNotFoundError(2, "No such file", "x")))


@pytest.mark.parametrize(("name", "code", "said"), [("SIGINT", 130, "Ctrl-C"), ("SIGTERM", 143, "SIGTERM")])
def test_a_signal_ends_a_process_with_its_code_and_one_line(name, code, said):
    program = f"""
        import os, signal, time
        from playground_amp.core.console import run
        def main():
            print("first words", end="")
            os.kill(os.getpid(), signal.{name})
            time.sleep(5)
        run(main)
    """
    done = python("-c", textwrap.dedent(program))
    assert (done.returncode, done.stdout, done.stderr) == (code, "first words", f"stopped by {said}\n")


def test_ctrl_c_while_jax_calls_back_is_no_crash():
    code = """
        import os, signal, threading, time
        import jax, jax.numpy as jnp, numpy as np
        from playground_amp.core.console import run
        def slow(x):
            time.sleep(0.02)
            return np.asarray(x)
        @jax.jit
        def compute(x):
            call = lambda _, x: jax.pure_callback(slow, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
            return jax.lax.fori_loop(0, 500, call, x)
        def main():
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            compute(jnp.ones(3)).block_until_ready()
        run(main)
    """
    done = python("-c", textwrap.dedent(code))
    assert (done.returncode, done.stderr) == (130, "stopped by Ctrl-C\n")


def test_a_reader_that_leaves_is_no_error():
    code = "from playground_amp.core.console import run; run(lambda: print('line\\n' * 100_000))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_shows_an_example(script, tmp_path):
    done = python(str(script), "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    command = f"playground-amp {script.stem}" if script.stem in COMMANDS else f"scripts/{script.name}"
    assert "example" in done.stdout.lower() and command in done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_an_unknown_option_is_bad_input(script):
    done = python(str(script), "--no-such-option")
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short(script):
    assert len(script.read_text().splitlines()) <= 60


@pytest.mark.parametrize(
    "start", [["--config", "ppo_amass_training.yaml"], *slow((["--resume", "auto", "--run-dir", "new"],))]
)
def test_a_checkpoint_wants_a_run_that_is_named(start, tmp_path):
    done = python(str(ROOT / "scripts/train.py"), *start, "--checkpoint", "best", cwd=tmp_path)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: ")


def test_nearest_names_one_choice_or_all():
    assert nearest("discriminator_rl", ["discriminator_lr", "hidden"]) == "did you mean 'discriminator_lr'?"
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"
