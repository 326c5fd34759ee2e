"""`mesos-fetcher`: brings the files a task asked for into its sandbox. Standard library only.

The agent runs it with a FetcherInfo as JSON in MESOS_FETCHER_INFO (mesos/fetcher/fetcher.proto,
1.11) and with stdout and stderr going to the sandbox. What the agent's cache holds, and who may use
it, is the agent's business; this program only does one item after the other.

Modules beyond the cheapest are imported when an item needs them: it runs at every launch.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

NET_SCHEMES: Final = ("http", "https", "ftp")
TAR_ENDINGS: Final = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
EXECUTABLE: Final = 0o755
DEFAULT_STALL_SECONDS: Final = 60.0
NANOSECONDS: Final = 1_000_000_000
CHUNK: Final = 1 << 20


class FetchError(Exception):
    """The file cannot be had, or must not be put where it was asked for."""


def scheme_of(uri: str) -> str | None:
    """The scheme in small letters; None for a path."""
    scheme, separator, _ = uri.partition("://")
    return scheme.lower() if separator else None


def local_path(uri: str, frameworks_home: str | None) -> str | None:
    """The file a path or file:// URI means; None for other schemes. Raises FetchError."""
    scheme = scheme_of(uri)
    if scheme not in (None, "file"):
        return None
    path = uri
    if scheme == "file":
        path = uri[len("file://") :].removeprefix("localhost")
        if not path.startswith("/"):
            raise FetchError(f"file URIs must name an absolute path: {uri}")
    if path.startswith("/"):
        return path
    if not frameworks_home:
        raise FetchError(f"{uri} is relative, and the agent has no --frameworks_home")
    return os.path.join(frameworks_home, path)


def name_of(uri: str) -> str:
    """The file name a URI ends in, without its query. Raises FetchError when it has none."""
    path = uri
    if scheme_of(uri) in NET_SCHEMES:
        path = uri.partition("://")[2].partition("#")[0].partition("?")[0]
        if "/" not in path:
            raise FetchError(f"{uri} names a host but no file")
    name = path.rpartition("/")[2]
    if name in ("", ".", ".."):
        raise FetchError(f"{uri} does not end in a file name")
    return name


def target_in(sandbox: str, uri: Mapping[str, Any]) -> str:
    """Where in the sandbox the item goes; its directories are made. Raises FetchError."""
    name = uri.get("output_file") or name_of(uri["value"])
    target = os.path.normpath(os.path.join(sandbox, name))
    if os.path.isabs(name) or not target.startswith(os.path.join(sandbox, "")):
        raise FetchError(f"output_file {name!r} leads out of the sandbox")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    return target


def download(uri: str, target: str, frameworks_home: str | None, stall_seconds: float) -> None:
    """Copy what the URI names to the file `target`, which appears whole or not at all."""
    partial = f"{target}.partial"
    try:
        source = local_path(uri, frameworks_home)
        if source is not None:
            shutil.copyfile(source, partial)
        elif scheme_of(uri) in NET_SCHEMES:
            _download_from_net(uri, partial, stall_seconds)
        else:
            raise FetchError(
                f"{uri}: this fetcher knows paths, file, http, https and ftp, "
                f"not {scheme_of(uri)} (no Hadoop client here)"
            )
        os.replace(partial, target)
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)


def _download_from_net(uri: str, target: str, stall_seconds: float) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    request = Request(uri, headers={"User-Agent": "mesos-fetcher"})
    try:
        with urlopen(request, timeout=stall_seconds) as response, open(target, "wb") as file:
            expected = response.headers.get("Content-Length")
            shutil.copyfileobj(response, file, CHUNK)
            if expected is not None and file.tell() != int(expected):
                raise FetchError(f"the connection ended at {file.tell()} of {expected} bytes")
    except HTTPException as error:
        raise FetchError(f"the server does not speak HTTP properly: {error!r}") from error


def extract(archive: str, sandbox: str) -> bool:
    """Unpack an archive into the sandbox; False when its name is not an archive's.

    Members that lead out of the sandbox, devices and the like are refused: FetchError.
    """
    if archive.endswith(TAR_ENDINGS):
        unpack = _extract_tar
    elif archive.endswith(".zip"):
        unpack = _extract_zip
    elif archive.endswith(".gz"):
        unpack = _extract_gz
    else:
        return False

    import lzma
    import zlib

    try:
        unpack(archive, sandbox)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise FetchError(f"cannot extract {archive}: {error}") from error
    return True


def _extract_gz(archive: str, sandbox: str) -> None:
    import gzip

    target = os.path.join(sandbox, os.path.basename(archive)[: -len(".gz")])
    with gzip.open(archive) as packed, open(target, "wb") as file:
        shutil.copyfileobj(packed, file, CHUNK)


def _extract_tar(archive: str, sandbox: str) -> None:
    import tarfile

    inside = os.path.join(os.path.realpath(sandbox), "")

    def checked(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """What tarfile's filter "tar" does, which Debian 12's Python does not have.

        Links may point anywhere, as a JRE's to /etc do; nothing is written through them: each
        member is looked at once those before it are there.
        """
        for member in tar:
            member.name = member.name.lstrip("/")
            names = [member.name, member.linkname] if member.islnk() else [member.name]
            for name in names:
                target = os.path.realpath(os.path.join(sandbox, name))
                if not f"{target}/".startswith(inside):
                    raise tarfile.ExtractError(f"{name!r} leads out of the sandbox")
            if member.isdev():
                raise tarfile.ExtractError(f"{member.name!r} is a device or a pipe")
            member.mode &= 0o755
            yield member

    try:
        with tarfile.open(archive) as tar:
            tar.extractall(sandbox, members=checked(tar))
    except tarfile.TarError as error:
        raise FetchError(f"cannot extract {archive}: {error}") from error


def _extract_zip(archive: str, sandbox: str) -> None:
    import stat
    import zipfile

    inside = os.path.join(os.path.realpath(sandbox), "")
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                target = os.path.realpath(os.path.join(sandbox, member.filename))
                if not f"{target}/".startswith(inside):
                    raise FetchError(f"{archive}: {member.filename!r} leads out of the sandbox")
                mode = member.external_attr >> 16
                if stat.S_ISLNK(mode):
                    raise FetchError(f"{archive}: {member.filename!r} is a symbolic link")
                packed.extract(member, sandbox)
                if mode & 0o777 and not member.is_dir():
                    # zipfile drops permissions; a packed program should stay one.
                    os.chmod(target, mode & 0o777)
    except (zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise FetchError(f"cannot extract {archive}: {error}") from error


def fetch(item: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """Do one item; returns what it became. Raises FetchError, OSError."""
    uri = item["uri"]
    sandbox: str = info["sandbox_directory"]
    home = info.get("frameworks_home")
    stall = info.get("stall_timeout", {}).get("nanoseconds")
    stall_seconds = stall / NANOSECONDS if stall else DEFAULT_STALL_SECONDS
    value = uri["value"].lstrip()
    action = item.get("action", "BYPASS_CACHE")
    target = target_in(sandbox, {**uri, "value": value})

    if action == "BYPASS_CACHE":
        download(value, target, home, stall_seconds)
        if uri.get("executable"):
            os.chmod(target, EXECUTABLE)
        elif uri.get("extract", True) and not extract(target, sandbox):
            _warn_not_an_archive(value)
        return target

    cached = _cached_file(item, info)
    if action == "DOWNLOAD_AND_CACHE":
        download(value, cached, home, stall_seconds)
    elif action != "RETRIEVE_FROM_CACHE":
        raise FetchError(f"unknown action {action!r}")
    if not uri.get("executable") and uri.get("extract", True):
        if extract(cached, sandbox):
            return sandbox
        _warn_not_an_archive(value)
    shutil.copyfile(cached, target)
    if uri.get("executable"):
        os.chmod(target, EXECUTABLE)
    return target


def _cached_file(item: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    directory, name = info.get("cache_directory"), item.get("cache_filename")
    if not directory or not name:
        raise FetchError("the agent named no place in its cache")
    return os.path.join(str(directory), str(name))


def _warn_not_an_archive(uri: str) -> None:
    print(f"Copied, not extracted: {uri} has no archive's ending", file=sys.stderr)


def make_cache_directory(info: Mapping[str, Any]) -> None:
    """Make the user's cache directory, if an item is to use it, and give it to the user."""
    directory = info.get("cache_directory")
    actions = {item.get("action", "BYPASS_CACHE") for item in info.get("items", ())}
    if not directory or actions <= {"BYPASS_CACHE"}:
        return
    os.makedirs(directory, exist_ok=True)
    user = info.get("user")
    if user and os.geteuid() == 0:
        shutil.chown(directory, user)


def prepare_imports(items: Sequence[Mapping[str, Any]]) -> None:
    """Import what the items will need while this Python's own files can still be read."""
    values = [item["uri"]["value"].lstrip() for item in items]
    names = [*values, *(item["uri"].get("output_file", "") for item in items)]
    if any(scheme_of(value) in NET_SCHEMES for value in values):
        import urllib.request  # noqa: F401
    if any(name.endswith((*TAR_ENDINGS, ".gz")) for name in names):
        import tarfile  # noqa: F401
    if any(name.endswith(".zip") for name in names):
        import zipfile  # noqa: F401


def become(user: str) -> None:
    """Go on as that user, so that only what it may read is read. Raises FetchError."""
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise FetchError(f"there is no user {user!r} on this agent") from error
    if os.geteuid() == entry.pw_uid:
        return
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def run(info: Mapping[str, Any]) -> None:
    """Fetch every item of a FetcherInfo, in order. Raises FetchError, OSError."""
    items = info.get("items", ())
    make_cache_directory(info)
    if info.get("user"):
        prepare_imports(items)
        become(info["user"])
    for item in items:
        value = item["uri"]["value"]
        try:
            result = fetch(item, info)
        except (FetchError, OSError) as error:
            raise FetchError(f"Failed to fetch '{value}': {error}") from error
        print(f"Fetched '{value}' to '{result}'", file=sys.stderr)


def main() -> int:
    """0 when everything is there; 1, with the reason on stderr, when not."""
    text = os.environ.get("MESOS_FETCHER_INFO")
    if text is None:
        print("mesos-fetcher is run by an agent, with MESOS_FETCHER_INFO set", file=sys.stderr)
        return 1
    try:
        run(json.loads(text))
    except (FetchError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
