"""The library's cache: damage is noticed, downloads are checked, processes take turns."""

import hashlib
import io
import tarfile
import threading
from pathlib import Path

import pytest

from holdfast_playground.errors import PlaygroundError
from holdfast_playground.library import LIBRARY_NAME, Distribution, is_intact, library
from tests.unit.playground.test_elf import OLD


def archive_of(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("./usr/lib/_scheduler.so")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = archive_of(OLD)
SMALL = Distribution(
    project="small",
    filename="small-1.0.tar.gz",
    sha256=hashlib.sha256(ARCHIVE).hexdigest(),
    member_ending="/_scheduler.so",
)


class Index:
    """A package index that counts, and sends what it was given."""

    def __init__(self, content: bytes = ARCHIVE) -> None:
        self.content = content
        self.downloads = 0

    def __call__(self, distribution: Distribution, target: Path) -> None:
        assert distribution is SMALL
        self.downloads += 1
        target.write_bytes(self.content)


def test_downloads_once_and_patches(tmp_path: Path) -> None:
    index = Index()
    first = library(tmp_path, SMALL, index)
    second = library(tmp_path, SMALL, index)

    assert first == second == tmp_path / LIBRARY_NAME
    assert index.downloads == 1
    assert b"libssl.so.3\0" in first.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text("[]"),
    ],
    ids=["cut short", "changed", "gone", "no record", "broken record", "another record"],
)
def test_damage_is_noticed_and_mended(tmp_path: Path, damage: object) -> None:
    index = Index()
    path = library(tmp_path, SMALL, index)
    good = path.read_bytes()
    assert callable(damage)
    damage(path)

    assert not is_intact(path)
    assert library(tmp_path, SMALL, index).read_bytes() == good
    assert index.downloads == 2


def test_a_wrong_download_is_refused_and_nothing_of_it_stays(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="expected " + SMALL.sha256):
        library(tmp_path, SMALL, Index(ARCHIVE[:-1]))

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_an_archive_without_the_library_is_refused(tmp_path: Path) -> None:
    other = Distribution("small", SMALL.filename, SMALL.sha256, "/libother.so")

    def download(_: Distribution, target: Path) -> None:
        target.write_bytes(ARCHIVE)

    with pytest.raises(PlaygroundError, match=r"no file that ends in /libother\.so"):
        library(tmp_path, other, download)


def test_two_at_once_download_once(tmp_path: Path) -> None:
    index = Index()
    started = threading.Event()
    go = threading.Event()

    def slow(distribution: Distribution, target: Path) -> None:
        started.set()
        assert go.wait(10)
        index(distribution, target)

    threads = [threading.Thread(target=library, args=(tmp_path, SMALL, slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)

    assert index.downloads == 1
    assert is_intact(tmp_path / LIBRARY_NAME)
