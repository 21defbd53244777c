"""Every way a file of motion can be wrong ends in one sentence that names the file, in every format."""

from __future__ import annotations

import io
import json
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ONE_SENTENCE
from motion_files import (
    FRAMES,
    MIXAMO,
    Rig,
    amass,
    deepmimic,
    gmr,
    person,
    unitree,
    write_bvh,
    write_csv,
    write_json,
    write_npz,
    write_pickle,
)

from playground_amp.core import console
from playground_amp.core.errors import InputError
from playground_amp.retargeting.readers.amass import Take
from playground_amp.retargeting.readers.any import read_recording

Write = Callable[[Path], object]


def spoiled(array: np.ndarray, value: float = np.nan) -> np.ndarray:
    array = np.array(array, np.float64)
    array[2, 1] = value
    return array


def cut(write: Write, share: float) -> Write:
    def write_cut(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write_cut


def edited(write: Write, old: str, new: str) -> Write:
    def write_edited(path: Path) -> None:
        write(path)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return write_edited


def npz(**arrays: Any) -> Write:
    return lambda path: write_npz(path, amass(**arrays))


def robot_npz(**arrays: Any) -> Write:
    content = {key: value for key, value in gmr(**arrays).items() if value is not None}
    return lambda path: write_npz(path, content)


def pkl(value: Any = None, **changes: Any) -> Write:
    return lambda path: write_pickle(path, gmr(**changes) if value is None else value)


def claims(shape: tuple[int, ...], key: str = "poses", held: int = 64) -> Write:
    """An `.npz` with an array whose header promises more than it has."""

    def write(path: Path) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(f"{key}.npy", header.getvalue() + bytes(held))

    return write


def bomb(path: Path) -> None:
    """20 MB of zeros in 20 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("poses.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (2_500_000,)})
        member.write(bytes(20_000_000))


def forged(path: Path) -> None:
    """A directory of the archive that claims terabytes."""
    write_npz(path, amass())
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<II", data, entry + 20, 2**32 - 2, 2**32 - 2)
    path.write_bytes(data)


def huge_array(path: Path) -> None:
    """A pickle of an array of a hundred thousand million frames without the bytes."""
    path.write_bytes(
        b"\x80\x04}\x8c\x08root_pos\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93\x8c\x05numpy\x8c\x07ndarray\x93"
        b"K\x00\x85C\x01b\x87R(K\x01\x8a\x05\x00\xe8vH\x17K\x03\x86\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x89\x88\x87R"
        b"\x89C\x08\x00\x00\x00\x00\x00\x00\x00\x00tbs."
    )


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def hostile(path: Path) -> None:
    write_pickle(path, gmr(link_body_list=Payload(path.parent / "created")))


def hostile_npz(path: Path) -> None:
    write_npz(path, amass(poses=np.array([Payload(path.parent / "created"), None], dtype=object)))


def bvh(path: Path) -> Path:
    return write_bvh(path, person())


def csv(rows: np.ndarray) -> Write:
    return lambda path: write_csv(path, rows)


def txt(**values: list[float]) -> Write:
    return lambda path: write_json(path, deepmimic(**values))


def text(content: str) -> Write:
    return lambda path: path.write_text(content)


def with_frames(change: Callable[[list[list[float]]], object]) -> Write:
    def write(path: Path) -> None:
        motion = deepmimic()
        change(motion["Frames"])
        write_json(path, motion)

    return write


ZEROS = np.zeros((FRAMES, 156))
NO_KNEES = Rig(names=["" if name.endswith(("tLeg", "Foot", "ToeBase")) else name for name in MIXAMO])
NOTHING = text("")

BROKEN: dict[str, dict[str, Write]] = {
    ".npz": {
        "truncated": cut(npz(), 0.5),
        "no file at all": NOTHING,
        "nan": npz(poses=spoiled(ZEROS)),
        "wrong width": npz(poses=np.zeros((FRAMES, 70))),
        "zero frames": npz(poses=np.zeros((0, 156)), trans=np.zeros((0, 3))),
        "fps 0": npz(mocap_framerate=np.array(0.0)),
        "fps of 400 digits": npz(mocap_framerate=np.array([10**400], dtype=object)),
        "text": text("hello"),
        "empty zip": lambda path: zipfile.ZipFile(path, "w").close(),
        "terabytes in the header": claims((10**12, 156)),
        "more elements than numbers": claims((2**63, 2**63, 4)),
        "negative frames": claims((-1, 156)),
        "bomb": bomb,
        "forged directory": forged,
        "hostile pickle": hostile_npz,
        "wrong skeleton": npz(poses=np.zeros((FRAMES, 21 * 3))),
        "complex numbers": npz(poses=ZEROS + 1j),
        "kilometres": npz(trans=np.full((FRAMES, 3), 1e6)),
        "degrees": npz(poses=ZEROS + 90.0),
        "a robot without joints": robot_npz(dof_pos=None),
        "a robot's frames differ": robot_npz(dof_pos=np.zeros((FRAMES + 1, 29))),
        "a robot's quaternion": robot_npz(root_rot=np.zeros((FRAMES, 4))),
        "a robot's bare root": lambda path: write_npz(path, {"qpos": np.zeros((FRAMES, 7)), "fps": 50}),
        "a robot's terabytes": claims((10**12, 36), "qpos"),
    },
    ".pkl": {
        "truncated": cut(pkl(), 0.7),
        "empty": NOTHING,
        "nan": pkl(root_pos=spoiled(np.zeros((FRAMES, 3)))),
        "infinite": pkl(dof_pos=spoiled(np.zeros((FRAMES, 29)), np.inf)),
        "wrong width": pkl(root_rot=np.zeros((FRAMES, 3))),
        "zero frames": pkl(root_pos=np.zeros((0, 3)), root_rot=np.zeros((0, 4)), dof_pos=np.zeros((0, 29))),
        "fps 0": pkl(fps=0),
        "fps text": pkl(fps="fast"),
        "fps of 400 digits": pkl(fps=10**400),
        "text": text("hello"),
        "huge counts": huge_array,
        "hostile": hostile,
        "wrong skeleton": pkl(joint_names=["only", "two"]),
        "no dict": pkl(value=[1, 2, 3]),
        "no key": lambda path: write_pickle(path, {"fps": 30}),
        "lists in a list": pkl(dof_pos=[[0.0] * 29] * FRAMES),
        "text for numbers": pkl(dof_pos=np.full((FRAMES, 29), "x")),
        "degrees": pkl(dof_pos=np.full((FRAMES, 29), 40.0)),
        "no rotation": pkl(root_rot=np.zeros((FRAMES, 4))),
        "kilometres": pkl(root_pos=np.full((FRAMES, 3), 5000.0)),
    },
    ".csv": {
        "truncated": cut(csv(unitree()), 0.7),
        "empty": NOTHING,
        "blank": text("\n \n"),
        "nan": csv(spoiled(unitree())),
        "wrong width": csv(unitree(0)),
        "one column": text("1\n2\n3\n"),
        "text": text("hello"),
        "header": lambda path: path.write_text(",".join(["x"] * 36) + "\n" + ",".join(["0"] * 36)),
        "gap": edited(csv(unitree()), "0.280000\n", "\n"),
        "degrees": csv(unitree() * ([1.0] * 7 + [100.0] * 29)),
        "zero quaternion": csv(unitree() * ([1.0] * 3 + [0.0] * 4 + [1.0] * 29)),
        "kilometres": csv(unitree() * ([1e4] * 3 + [1.0] * 33)),
        "huge number": edited(csv(unitree()), "0.280000\n", "1e999\n"),
        "huge count of columns": text(",".join(["0"] * 100_000)),
        "bytes": lambda path: path.write_bytes(bytes(range(256)) * 20),
    },
    ".bvh": {
        "truncated hierarchy": cut(bvh, 0.2),
        "truncated motion": cut(bvh, 0.9),
        "empty": NOTHING,
        "nan": lambda path: write_bvh(path, moved(person(), np.nan)),
        "infinite": lambda path: write_bvh(path, moved(person(), 1e13)),
        "wrong width": edited(bvh, "CHANNELS 3 Zrotation Yrotation Xrotation", "CHANNELS 2 Zrotation Yrotation"),
        "zero frames": edited(bvh, f"Frames: {FRAMES}", "Frames: 0"),
        "frame time 0": edited(bvh, "Frame Time: 0.0100000", "Frame Time: 0"),
        "frame time negative": edited(bvh, "Frame Time: 0.0100000", "Frame Time: -0.01"),
        "frame time nan": edited(bvh, "Frame Time: 0.0100000", "Frame Time: nan"),
        "huge count": edited(bvh, f"Frames: {FRAMES}", "Frames: 1000000000000"),
        "text": text("hello"),
        "wrong skeleton": lambda path: write_bvh(path, person(), NO_KNEES),
        "no skeleton": text("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 0.01\n0\n"),
        "no units": lambda path: write_bvh(path, person(), Rig(unit=0.3)),
        "one axis twice": edited(bvh, "Zrotation Yrotation Xrotation", "Zrotation Zrotation Xrotation"),
        "scales": edited(bvh, "CHANNELS 3 Zrotation Yrotation Xrotation", "CHANNELS 3 Xscale Yscale Zscale"),
        "too many joints": text("HIERARCHY\n" + "JOINT a\n{\nOFFSET 0 0 0\nCHANNELS 3 a b c\n" * 1000 + "MOTION\n"),
        "endless names": edited(bvh, "tUpLeg", "_" * 900),
        "endless ends": edited(bvh, "End Site\n{\nOFFSET 0 1 0\n}\n", "End Site\n{\nOFFSET 0 1 0\n}\n" * 20_000),
        "endless line": edited(bvh, "ROOT Hips", "ROOT " + "x" * 100_000),
        "hips in one place": lambda path: write_bvh(path, narrow(person())),
        "kilometres": lambda path: write_bvh(path, moved(person(), 5000.0)),
    },
    ".txt": {
        "truncated": cut(txt(), 0.7),
        "empty": NOTHING,
        "nan": with_frames(lambda frames: frames[2].__setitem__(7, float("nan"))),
        "wrong width": with_frames(lambda frames: frames[2].append(0.0)),
        "zero frames": text('{"Loop": "wrap", "Frames": []}'),
        "seconds 0": txt(c0=[0.0]),
        "a long frame": with_frames(lambda frames: frames[2].__setitem__(0, 60.0)),
        "too fast": txt(c0=[1e-5]),
        "text": text("hello"),
        "another motion": text('{"Frames": 3}'),
        "a list": text("[1, 2, 3]"),
        "huge count": with_frames(lambda frames: frames[2].__setitem__(3, 10**400)),
        "huge number": edited(txt(), "0.9", "1e999"),
        "wrong skeleton": text(json.dumps({"Loop": "wrap", "Frames": [[0.0] * 61] * 4})),
        "words": with_frames(lambda frames: frames.__setitem__(1, ["x"] * 44)),
        "no rotation": txt(c16=[0, 0, 0, 0]),
        "kilometres": txt(c1=[1e5, 0, 0]),
        "deep": text("[" * 100_000),
    },
}
CASES = [(suffix, kind) for suffix, kinds in BROKEN.items() for kind in kinds]


def narrow(take: Take) -> Take:
    positions = take.positions.copy()
    positions[:, 2] = positions[:, 1]
    return Take(take.name, positions, take.rotations, take.fps)


def moved(take: Take, metres: float) -> Take:
    """The pelvis far away in the last frame; bones are measured in the first."""
    positions = take.positions.copy()
    positions[-1, 0] += metres
    return Take(take.name, positions, take.rotations, take.fps)


def test_every_format_is_broken_in_ten_ways() -> None:
    assert all(len(kinds) >= 10 for kinds in BROKEN.values())


@ONE_SENTENCE
@pytest.mark.parametrize(("suffix", "kind"), CASES)
def test_a_broken_file_is_one_sentence(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"take{suffix}"
    BROKEN[suffix][kind](path)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        read_recording(path)
    assert time.process_time() - began < 1.0
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 400 + len(str(path)), message
    assert not (tmp_path / "created").exists()


def test_folders_missing_and_unknown_files_are_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "folder.bvh"
    folder.mkdir()
    unknown = tmp_path / "take.fbx"
    unknown.write_text("x")
    for path, told in ((folder, "folder"), (unknown, ".bvh"), (tmp_path / "none.csv", "no file")):
        with pytest.raises(InputError, match=told) as caught:
            read_recording(path)
        assert str(path) in str(caught.value)


def test_an_archive_without_motion_tells_what_it_has(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "take.npz", {"joint_vel": np.zeros(3), "body_pos_w": np.zeros(3)})
    with pytest.raises(InputError, match="it has body_pos_w, joint_vel"):
        read_recording(path)
    shape = write_npz(tmp_path / "shape.npz", {"betas": np.zeros(16)})
    with pytest.raises(InputError, match="stagei"):
        read_recording(shape)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "take.bvh"
    path.write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for wrong in (path, tmp_path / ("x" * 300 + ".bvh")):
        with pytest.raises(InputError, match=r"cannot be read: (Permission denied|File name too long)"):
            read_recording(wrong)


@pytest.mark.parametrize("suffix", BROKEN)
@pytest.mark.parametrize("through", ["read_recording", "scripts/retarget.py"])
def test_scripts_end_with_code_2(
    tmp_path: Path, suffix: str, through: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"take{suffix}"
    BROKEN[suffix]["truncated" if "truncated" in BROKEN[suffix] else "truncated motion"](path)
    monkeypatch.setattr(console.atexit, "register", lambda _: None)  # what it leaves for the end of Python
    with pytest.raises(SystemExit) as left:
        console.run(lambda: read_recording(path) if through == "read_recording" else _script(path, monkeypatch))
    told = capsys.readouterr().err
    assert left.value.code == 2 and str(path) in told and "Traceback" not in told


def _script(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[1]
    monkeypatch.syspath_prepend(root / "scripts")
    monkeypatch.setattr(sys, "argv", ["retarget.py", str(path), "--out", str(path.parent / "out")])
    import retarget

    retarget.main()
