"""The fetcher, item by item, against files and a small HTTP server of the test's own."""

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast_playground import fetcher, mesos_command
from holdfast_playground.layout import Layout

CONTENT = b"#!/bin/sh\necho fetched\n"


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    directory = tmp_path / "sandbox"
    directory.mkdir()
    return directory


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tool.sh"
    path.write_bytes(CONTENT)
    return path


class Files(BaseHTTPRequestHandler):
    """/file, /moved (to it), /short (ends early), /stalled (never ends); else 404."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        name = self.path.partition("?")[0]
        if name == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name in ("/file", "/short", "/stalled"):
            self.send_response(200)
            more = 0 if name == "/file" else 10
            self.send_header("Content-Length", str(len(CONTENT) + more))
            self.end_headers()
            self.wfile.write(CONTENT)
            self.wfile.flush()
            if name == "/stalled":
                self.server.release.wait(30)  # type: ignore[attr-defined]
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    Files.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as http_server:
        http_server.release = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_address[1]}"
        http_server.release.set()  # type: ignore[attr-defined]
        http_server.shutdown()
        thread.join()


def item(value: str, action: str = "BYPASS_CACHE", **uri: Any) -> dict[str, Any]:
    cached = {} if action == "BYPASS_CACHE" else {"cache_filename": "c1-" + Path(value).name}
    return {"action": action, "uri": {"value": value, "extract": False, **uri}, **cached}


def run(sandbox: Path, *items: dict[str, Any], **info: Any) -> None:
    fetcher.run({"sandbox_directory": str(sandbox), "items": list(items), **info})


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "  {}"])
def test_local_files(sandbox: Path, source: Path, form: str) -> None:
    run(sandbox, item(form.format(source)))
    assert (sandbox / "tool.sh").read_bytes() == CONTENT
    assert not os.access(sandbox / "tool.sh", os.X_OK)


def test_relative_paths_start_at_frameworks_home(sandbox: Path, source: Path) -> None:
    run(sandbox, item("tool.sh"), frameworks_home=str(source.parent))
    assert (sandbox / "tool.sh").read_bytes() == CONTENT
    with pytest.raises(fetcher.FetchError, match="no --frameworks_home"):
        run(sandbox, item("tool.sh"))


def test_executable(sandbox: Path, source: Path) -> None:
    run(sandbox, item(str(source), executable=True, extract=True))
    assert (sandbox / "tool.sh").stat().st_mode & 0o777 == 0o755


def test_output_file_makes_its_directories(sandbox: Path, source: Path) -> None:
    run(sandbox, item(str(source), output_file="bin/sub/run"))
    assert (sandbox / "bin/sub/run").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", ".."])
def test_output_file_stays_in_the_sandbox(sandbox: Path, source: Path, name: str) -> None:
    with pytest.raises(fetcher.FetchError, match="leads out of the sandbox"):
        run(sandbox, item(str(source), output_file=name))


@pytest.mark.parametrize("path", ["/file", "/moved", "/file?version=2#top"])
def test_http(sandbox: Path, server: str, path: str) -> None:
    run(sandbox, item(server + path, output_file="got"))
    assert (sandbox / "got").read_bytes() == CONTENT


def test_http_name_is_the_path_s(sandbox: Path, server: str) -> None:
    run(sandbox, item(f"{server}/file?sig=a/b"))
    assert [path.name for path in sandbox.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/absent", "404"), ("/short", f"ended at {len(CONTENT)} of {len(CONTENT) + 10}")],
)
def test_http_failures_leave_no_file(sandbox: Path, server: str, path: str, reason: str) -> None:
    with pytest.raises(fetcher.FetchError, match=reason):
        run(sandbox, item(server + path))
    assert list(sandbox.iterdir()) == []


def test_a_stalled_download_ends(sandbox: Path, server: str) -> None:
    with pytest.raises(fetcher.FetchError, match="timed out"):
        run(sandbox, item(f"{server}/stalled"), stall_timeout={"nanoseconds": 200_000_000})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("hdfs://name/file", "not hdfs"),
        ("http://host", "names a host but no file"),
        ("http://host/", "does not end in a file name"),
        ("file://relative", "absolute path"),
        ("/no/such/file", "No such file"),
    ],
)
def test_what_cannot_be_fetched_is_named(sandbox: Path, value: str, reason: str) -> None:
    with pytest.raises(fetcher.FetchError, match=reason) as caught:
        run(sandbox, item(value))
    assert value in str(caught.value)


def tar_with(path: Path, mode: str, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def member(name: str, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.uid, info.gid = mode, kind, os.getuid(), os.getgid()
    return info


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        ("tar", "w"),
        ("tgz", "w:gz"),
        ("tar.gz", "w:gz"),
        ("tbz2", "w:bz2"),
        ("tar.bz2", "w:bz2"),
        ("txz", "w:xz"),
        ("tar.xz", "w:xz"),
    ],
)
def test_tar_archives(sandbox: Path, tmp_path: Path, ending: str, mode: str) -> None:
    archive = tar_with(tmp_path / f"dist.{ending}", mode, (member("dist/bin/run", 0o755), CONTENT))
    run(sandbox, item(str(archive), extract=True))
    assert (sandbox / "dist/bin/run").read_bytes() == CONTENT
    assert os.access(sandbox / "dist/bin/run", os.X_OK)
    assert (sandbox / archive.name).exists()


def test_zip_archives_keep_permissions(sandbox: Path, tmp_path: Path) -> None:
    archive = tmp_path / "dist.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        entry = zipfile.ZipInfo("dist/run")
        entry.external_attr = 0o100755 << 16
        packed.writestr(entry, CONTENT)
        packed.writestr("dist/notes.txt", "notes")
    run(sandbox, item(str(archive), extract=True))
    assert (sandbox / "dist/run").read_bytes() == CONTENT
    assert os.access(sandbox / "dist/run", os.X_OK)
    assert (sandbox / "dist/notes.txt").read_text() == "notes"


def test_a_single_gz_file(sandbox: Path, tmp_path: Path) -> None:
    archive = tmp_path / "data.csv.gz"
    archive.write_bytes(gzip.compress(b"a,b\n"))
    run(sandbox, item(str(archive), extract=True))
    assert (sandbox / "data.csv").read_bytes() == b"a,b\n"


def test_what_is_no_archive_is_copied(
    sandbox: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(sandbox, item(str(source), extract=True))
    assert (sandbox / "tool.sh").read_bytes() == CONTENT
    assert "not extracted" in capsys.readouterr().err


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = member(name, kind=kind)
    info.linkname = to
    return info


def test_links_in_a_tar_archive_may_point_anywhere(sandbox: Path, tmp_path: Path) -> None:
    members = (link("jre/conf", "/etc/java"), b""), (member("/jre/bin/java", 0o4777), CONTENT)
    run(sandbox, item(str(tar_with(tmp_path / "jre.tar", "w", *members)), extract=True))
    assert (sandbox / "jre/conf").readlink() == Path("/etc/java")
    assert (sandbox / "jre/bin/java").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [(member("../escaped"), b"x")],
        [(link("dir", "../.."), b""), (member("dir/escaped"), b"x")],
        [(link("file", "../escaped"), b""), (member("file"), b"x")],
        [(link("file", "../dist.tar", tarfile.LNKTYPE), b"")],
        [(member("disk", kind=tarfile.BLKTYPE), b"")],
    ],
    ids=["parent", "through a link", "to a link", "hard link", "device"],
)
def test_tar_members_stay_in_the_sandbox(
    sandbox: Path, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    archive = tar_with(tmp_path / "evil.tar", "w", *members)
    with pytest.raises(fetcher.FetchError, match="cannot extract"):
        run(sandbox, item(str(archive), extract=True))
    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped"])
def test_zip_members_stay_in_the_sandbox(sandbox: Path, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(name, "x")
    with pytest.raises(fetcher.FetchError, match="leads out of the sandbox"):
        run(sandbox, item(str(archive), extract=True))
    assert list(tmp_path.rglob("escaped")) == []


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("tar.gz", gzip.compress),
        ("tar.bz2", bz2.compress),
        ("tar.xz", lzma.compress),
        ("zip", bytes),
        ("gz", gzip.compress),
    ],
)
def test_damaged_archives_fail(
    sandbox: Path, tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(os.urandom(4096))
    archive = tmp_path / f"broken.{ending}"
    archive.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(fetcher.FetchError, match="broken"):
        run(sandbox, item(str(archive), extract=True))


def test_the_cache_is_filled_once_and_read_after(
    sandbox: Path, tmp_path: Path, server: str
) -> None:
    cache = tmp_path / "cache" / "user"
    value = f"{server}/file"
    run(sandbox, item(value, "DOWNLOAD_AND_CACHE", executable=True), cache_directory=str(cache))
    (sandbox / "file").unlink()
    run(sandbox, item(value, "RETRIEVE_FROM_CACHE", executable=True), cache_directory=str(cache))

    assert Files.requests == ["/file"]
    assert (cache / "c1-file").read_bytes() == CONTENT
    assert (sandbox / "file").read_bytes() == CONTENT
    assert os.access(sandbox / "file", os.X_OK)


def test_cached_archives_go_to_the_sandbox_unpacked_only(sandbox: Path, tmp_path: Path) -> None:
    archive = tar_with(tmp_path / "dist.tgz", "w:gz", (member("run"), CONTENT))
    cache = tmp_path / "cache"
    wanted = item(str(archive), "DOWNLOAD_AND_CACHE", extract=True)
    run(sandbox, wanted, cache_directory=str(cache))
    assert [path.name for path in sandbox.iterdir()] == ["run"]


def test_cache_actions_need_a_cache(sandbox: Path, source: Path) -> None:
    with pytest.raises(fetcher.FetchError, match="no place in its cache"):
        run(sandbox, item(str(source), "DOWNLOAD_AND_CACHE"))


def test_as_the_agent_runs_it(sandbox: Path, source: Path, tmp_path: Path) -> None:
    """The program of the launcher directory: what it could not do is on stderr, exit code 1."""
    layout = Layout(tmp_path)
    mesos_command.write_launcher_programs(layout, "/no/library.so")
    good = {"sandbox_directory": str(sandbox), "items": [item(str(source))]}
    bad = {"sandbox_directory": str(sandbox), "items": [item("/no/such/file")]}

    def fetch(info: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [layout.launcher / "mesos-fetcher"],
            env={"MESOS_FETCHER_INFO": json.dumps(info)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    done = fetch(good)
    assert (done.returncode, done.stdout) == (0, "")
    assert (sandbox / "tool.sh").read_bytes() == CONTENT
    failed = fetch(bad)
    assert failed.returncode == 1
    assert "Failed to fetch '/no/such/file'" in failed.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_fetches_as_the_task_s_user(sandbox: Path, source: Path, tmp_path: Path) -> None:
    """What the user may not read is not fetched for it, and what is fetched belongs to it."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == 0 and not directory.stat().st_mode & 0o001:
            directory.chmod(0o711)
    os.chown(sandbox, 65534, 65534)
    cache = tmp_path / "cache"
    cached = item(str(source), "DOWNLOAD_AND_CACHE")

    def in_child(*items: dict[str, Any]) -> int:
        child = os.fork()
        if child == 0:
            try:
                run(sandbox, *items, user="nobody", cache_directory=str(cache))
            except fetcher.FetchError:
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert in_child(cached) == 0
    assert (sandbox / "tool.sh").stat().st_uid == 65534
    assert (cache / "c1-tool.sh").stat().st_uid == 65534
    assert in_child(item(str(secret))) == 1
