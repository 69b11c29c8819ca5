# mypy: disable-error-code="arg-type, misc, override, return-value, union-attr"
"""The runner with inputs and outputs at URLs: the same bytes as on one machine, and no error is taken for absence."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from fsspec.spec import AbstractFileSystem
from output_files import contents
from text_job import TextJob, inputs

import irisstn.outputs.remote_manifest
from irisstn.batch import SegmentConfig, SegmentJob, find_inputs, out_folder, run_batch
from irisstn.datasets import find_images
from irisstn.errors import DatasetError, ImageError, OutputError
from irisstn.outputs.manifest import read_manifest
from irisstn.storage.remote import RemoteStorage

MEMORY = fsspec.filesystem("memory")


@pytest.fixture
def url() -> str:
    """A folder in the memory of this process."""
    return f"memory://{uuid.uuid4().hex}"


def copy_to(url: str, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            MEMORY.pipe_file(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def fetched(url: str, target: Path) -> dict[str, bytes]:
    MEMORY.get(url.removeprefix("memory:/"), str(target), recursive=True)
    return contents(target)


def test_a_folder_at_a_url_gives_the_bytes_of_one_on_disk(url: str, eyes: Path, tmp_path: Path):
    copy_to(f"{url}/in", eyes)
    MEMORY.pipe_file(f"{url}/in/no/eye.png", b"no picture")
    (tmp_path / "in/no").mkdir(parents=True)
    (tmp_path / "in/no/eye.png").write_bytes(b"no picture")
    for sample in find_images([eyes]):
        (tmp_path / "in" / sample.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / sample.name).write_bytes(sample.path.read_bytes())
    job = SegmentJob(SegmentConfig())
    here = run_batch(job, find_inputs([tmp_path / "in"], strips=False), tmp_path / "out")
    there = run_batch(job, find_inputs([f"{url}/in/"], strips=False), f"{url}/out")
    assert (there.done, there.failed) == (here.done, here.failed)
    assert here.failed >= 1
    got = fetched(f"{url}/out", tmp_path / "got")
    assert got == contents(tmp_path / "out")
    assert len(got) > 4 * here.done
    again = run_batch(job, find_inputs([f"{url}/in"], strips=False), f"{url}/out")
    assert again.skipped == here.done
    # The output of one command at a URL is an input of the next one; failed inputs stay failed.
    strips = find_inputs([f"{url}/out"], strips=True)
    records = list(read_manifest(tmp_path / "out"))
    assert [sample.name for sample in strips] == [str(record["path"]) for record in records]
    assert [sample.failed is None for sample in strips] == [record["status"] == "ok" for record in records]
    assert all(sample.mask for sample in strips if not sample.failed)


def test_resume_settings_and_overwrite_at_a_url(url: str, tmp_path: Path):
    samples = inputs(tmp_path / "in", 6, a="bad")
    run_batch(TextJob(), samples, url)
    (tmp_path / "in/0003.png").write_text("new")
    (tmp_path / "in/a.png").write_text("good")
    MEMORY.rm(f"{url}/strips/0005.png")
    summary = run_batch(TextJob(), samples, url)
    assert (summary.done, summary.skipped) == (3, 4)
    run_batch(TextJob(), samples, tmp_path / "fresh")
    assert fetched(url, tmp_path / "got") == contents(tmp_path / "fresh")
    with pytest.raises(OutputError, match=rf'{url} was made with suffix "!" \(now "\?"\)'):
        run_batch(TextJob("?"), samples, url)
    MEMORY.pipe_file(f"{url}/mine.txt", b"a note")
    run_batch(TextJob("?"), samples[:1], url, overwrite=True)
    assert sorted(path.name for path in map(Path, MEMORY.find(url))) == [
        "0000.png",
        "manifest.jsonl",
        "mine.txt",
        "run.json",
    ]


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        ({"host": "elsewhere", "process": 1, "age_s": 5}, False),
        ({"host": "elsewhere", "process": 1, "age_s": 9999}, True),
        ({"host": "here", "process": 1 << 22, "age_s": 5}, True),  # above the largest process number of Linux
        ({"host": "here", "process": os.getppid(), "age_s": 5}, False),
        ({"junk": 1}, True),
    ],
)
def test_the_lock_at_a_url(url: str, tmp_path: Path, holder: dict[str, object], free: bool):
    lock = dict(holder)
    if "host" in lock:
        lock["host"] = os.uname().nodename if lock["host"] == "here" else lock["host"]
        lock["time"] = time.time() - float(str(lock.pop("age_s")))
    MEMORY.pipe_file(f"{url}/lock.json", json.dumps(lock).encode())
    samples = inputs(tmp_path / "in", 2)
    if free:
        assert run_batch(TextJob(), samples, url).done == 2
        assert not MEMORY.exists(f"{url}/lock.json")
    else:
        with pytest.raises(OutputError, match="in use by another run"):
            run_batch(TextJob(), samples, url)
        assert MEMORY.exists(f"{url}/lock.json")


def test_a_run_that_lost_its_lock_ends(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(irisstn.outputs.remote_manifest, "EVERY_S", 0.0)
    samples = inputs(tmp_path / "in", 4)

    class LockTaker(TextJob):
        def settings(self) -> dict[str, object]:  # called while the run holds its lock
            MEMORY.pipe_file(
                f"{url}/lock.json", json.dumps({"host": "elsewhere", "process": 1, "time": time.time()}).encode()
            )
            return super().settings()

    with pytest.raises(OutputError, match="process 1 on elsewhere"):
        run_batch(LockTaker(), samples, url)
    assert json.loads(MEMORY.cat_file(f"{url}/lock.json"))["host"] == "elsewhere"


def test_killed_at_a_url_and_resumed(tmp_path: Path):
    inputs(tmp_path / "in", 40)
    out = tmp_path / "out"
    code = (
        "import sys, irisstn.outputs.remote_manifest as mirror\n"
        "from irisstn.batch import run_batch; from text_job import TextJob, find_images\n"
        "mirror.EVERY_S = 0.05\n"
        "run_batch(TextJob(pause_s=0.02), find_images([sys.argv[1]]), 'local://' + sys.argv[2])\n"
    )
    for parts in (2, 4):
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "in"), str(out)], env=environment)
        for _ in range(1000):
            if len(list((out / "manifest-parts").glob("*"))) >= parts:
                break
            time.sleep(0.02)
        run.kill()
        run.communicate()
    assert (out / "lock.json").exists()
    assert not (out / "manifest.jsonl").exists()
    summary = run_batch(TextJob(), find_images([tmp_path / "in"]), f"local://{out}")
    assert summary.skipped >= 4
    assert summary.done + summary.skipped == 40
    run_batch(TextJob(), find_images([tmp_path / "in"]), tmp_path / "unbroken")
    assert contents(out) == contents(tmp_path / "unbroken")


def test_pictures_at_a_url_are_found(url: str, tmp_path: Path):
    for name in (
        "a/1.png",
        "a/2.PNG",
        "a/b/3.jpg",
        "a/.hidden/4.png",
        "a/text.txt",
        "a/old/manifest.jsonl",
        "a/old/s/5.png",
    ):
        MEMORY.pipe_file(f"{url}/{name}", b"x")

    def names(*sources: str) -> list[str]:
        return [sample.name for sample in find_inputs(sources, strips=False)]

    assert names(f"{url}/a") == ["1.png", "2.PNG", "b/3.jpg"]
    assert names(f"{url}/a/b/3.jpg") == ["3.jpg"]
    assert names(f"{url}/a/*.png") == ["1.png"]
    assert names(f"{url}/*/*/*.jpg") == ["a/b/3.jpg"]
    for bad, words in [
        ([f"{url}/none"], "no pictures"),
        ([f"{url}/a", str(tmp_path)], "alone"),
        ([f"{url}/a/old"], "output of irisstn"),
        (["nosuch://a/b"], "nosuch"),
        (["memory://a::file:///etc"], "::"),
    ]:
        with pytest.raises(DatasetError, match=words):
            names(*bad)
    assert out_folder("file:///a/b") == Path("/a/b")
    assert out_folder("memory://a") == "memory://a"


def test_hostile_keys_of_a_store_write_nothing_outside(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    MEMORY.pipe_file(f"{url}/in/1.png", b"x")
    root = f"/{url.removeprefix('memory://')}/in"
    monkeypatch.setattr(type(MEMORY), "find", lambda self, path: [f"{root}/1.png", f"{root}/../../../evil.png"])
    with pytest.raises(DatasetError, match="leads out"):
        find_inputs([f"{url}/in"], strips=False)


def test_a_large_or_missing_file_at_a_url(url: str, monkeypatch: pytest.MonkeyPatch):
    from irisstn.storage.remote import read_url  # noqa: PLC0415

    MEMORY.pipe_file(f"{url}/a.png", bytes(100))
    assert read_url(f"{url}/a.png") == bytes(100)
    with pytest.raises(ImageError, match="100 bytes, more than the limit of 99"):
        read_url(f"{url}/a.png", max_bytes=99)
    with pytest.raises(ImageError, match="FileNotFound"):
        read_url(f"{url}/b.png")


class Unsure(MemoryFileSystem):
    """A storage that answers some requests with an error of the server, as object stores do now and then."""

    protocol = "unsure"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    failing: ClassVar[str] = ""
    find = AbstractFileSystem.find  # that of most drivers, which passes over folders that it cannot list

    def info(self, path: str, **options: Any) -> Any:
        self._answer(path)
        return super().info(path, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            self._answer(path)
        return super()._open(path, mode, **options)

    def cat_file(self, path: str, *rest: Any, **options: Any) -> Any:
        self._answer(path)
        return super().cat_file(path, *rest, **options)

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        self._answer(path)
        return super().ls(path, detail, **options)

    def _answer(self, path: str) -> None:
        if self.failing and path.rstrip("/").endswith(self.failing):
            raise OSError(503, "Service Unavailable")


def test_a_driver_that_does_not_suit_fsspec_ends_in_one_line(tmp_path: Path):
    class Misfit(AbstractFileSystem):
        protocol = "misfit"

        def __init__(self, *rest: Any, **options: Any) -> None:
            raise TypeError("__init__() got an unexpected keyword argument 'asynchronous'\n")

    fsspec.register_implementation("misfit", Misfit, clobber=True)
    inputs(tmp_path / "in", 1)
    words = r"misfit://.* cannot be opened: TypeError: .*'asynchronous'; .*driver for misfit://.* pip install --upgrade"
    with pytest.raises(DatasetError, match=words) as caught:
        find_inputs(["misfit://bucket/eyes"], strips=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match=words):
        run_batch(TextJob(), find_images([tmp_path / "in"]), "misfit://bucket/out")


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> str:
    fsspec.register_implementation("unsure", Unsure, clobber=True)
    monkeypatch.setattr(Unsure, "failing", "")
    return f"unsure://{uuid.uuid4().hex}"


@pytest.mark.parametrize("failing", ["manifest.jsonl", "run.json", "lock.json", "manifest-parts"])
def test_an_error_of_the_storage_is_not_taken_for_absence(unsure: str, tmp_path: Path, failing: str):
    run_batch(TextJob(), inputs(tmp_path / "a", 3), unsure)
    storage = RemoteStorage(unsure)
    before = storage.read("manifest.jsonl")
    assert before is not None and before.count(b"\n") == 3
    Unsure.failing = failing
    with pytest.raises(OutputError, match="Service Unavailable"):
        run_batch(TextJob("?"), inputs(tmp_path / "b", 2, c="other"), unsure)
    with pytest.raises((DatasetError, OutputError)):
        find_inputs([unsure], strips=True) if failing == "manifest.jsonl" else run_batch(TextJob(), [], unsure)
    Unsure.failing = ""
    assert storage.read("manifest.jsonl") == before
    with pytest.raises(OutputError, match="made with suffix"):
        run_batch(TextJob("?"), inputs(tmp_path / "b", 2), unsure)


class Hasty(Unsure):
    """A driver that asks `isfile` before it copies, which takes an error of the server for absence."""

    protocol = "hasty"
    remaining: ClassVar[int] = 0  # requests that are still answered with an error

    def isfile(self, path: str) -> bool:
        return bool(AbstractFileSystem.isfile(self, path))

    def get_file(self, rpath: str, lpath: str, *rest: Any, **options: Any) -> None:
        if not self.isfile(rpath):
            raise FileNotFoundError(rpath)
        super().get_file(rpath, lpath, *rest, **options)

    def _answer(self, path: str) -> None:
        if self.failing and path.rstrip("/").endswith(self.failing) and Hasty.remaining > 0:
            Hasty.remaining -= 1
            raise OSError(503, "Service Unavailable")


@pytest.mark.parametrize("remaining", [1, 2, 100])
def test_a_driver_that_takes_an_error_for_absence_loses_no_manifest(
    tmp_path: Path, remaining: int, monkeypatch: pytest.MonkeyPatch
):
    fsspec.register_implementation("hasty", Hasty, clobber=True)
    out = f"hasty://{uuid.uuid4().hex}"
    run_batch(TextJob(), inputs(tmp_path / "a", 3), out)
    before = RemoteStorage(out).read("manifest.jsonl")
    assert before is not None and before.count(b"\n") == 3
    monkeypatch.setattr(Hasty, "failing", "manifest.jsonl")
    monkeypatch.setattr(Hasty, "remaining", remaining)
    with pytest.raises(OutputError, match=r"Service Unavailable|is there, but cannot be read"):
        run_batch(TextJob("?"), inputs(tmp_path / "b", 2), out)
    monkeypatch.setattr(Hasty, "failing", "")
    assert RemoteStorage(out).read("manifest.jsonl") == before


def test_an_output_that_cannot_be_looked_at_keeps_its_record(unsure: str, tmp_path: Path):
    samples = inputs(tmp_path / "in", 3)
    run_batch(TextJob(), samples, unsure)
    Unsure.failing = "strips/0001.png"
    summary = run_batch(TextJob(), samples, unsure)
    assert (summary.skipped, summary.failed) == (2, 1)
    Unsure.failing = ""
    assert run_batch(TextJob(), samples, unsure).skipped == 3


def test_a_folder_that_cannot_be_listed_is_an_error(unsure: str):
    system = fsspec.filesystem("unsure")
    for name in ("a/1.png", "b/2.png"):
        system.pipe_file(f"{unsure}/{name}", b"")
    assert len(find_inputs([unsure], strips=False)) == 2
    Unsure.failing = "/b"
    with pytest.raises(DatasetError, match="Service Unavailable"):
        find_inputs([unsure], strips=False)


def test_the_output_at_a_url_inside_the_source_is_not_searched(url: str):
    for name in ("a.png", "out/strips/a.png", "output/b.png"):
        MEMORY.pipe_file(f"{url}/in/{name}", b"")
    found = find_inputs([f"{url}/in"], strips=False, exclude=f"{url}/in/out")
    assert [sample.name for sample in found] == ["a.png", "output/b.png"]


def test_keys_that_would_be_one_name_on_a_disk_are_not_mixed_up(url: str, tmp_path: Path):
    root = "/" + url.removeprefix("memory://")
    for key, data in {"a/x.png": b"1", "a//x.png": b"2", "./y.png": b"3", "z/./q.png": b"4"}.items():
        MEMORY.store[f"{root}/in/{key}"] = MemoryFile(MEMORY, f"{root}/in/{key}", data)
    found = find_inputs([f"{url}/in"], strips=False)
    assert [(sample.name, sample.path.removeprefix(url), sample.failed is not None) for sample in found] == [
        ("a//x.png", "/in/a//x.png", True),
        ("a/x.png", "/in/a/x.png", False),
        ("y.png", "/in/./y.png", False),
        ("z/q.png", "/in/z/./q.png", False),
    ]
    summary = run_batch(TextJob(), found[:2], tmp_path / "out")
    assert (summary.done, summary.failed) == (1, 1)
    assert (tmp_path / "out/strips/a/x.png").read_bytes() == b"1!"
