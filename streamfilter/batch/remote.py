"""Sources that lie elsewhere, such as in S3: found, told apart and fetched through fsspec.

Decoders read local files only, so each is fetched into a temporary file of bounded size while it is read. Whatever a
storage's own library raises becomes one `SourceError`, without the text of it: an address may hold what is secret.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from streamfilter.buffering import StalledError, within
from streamfilter.config import RunConfig
from streamfilter.errors import SourceError
from streamfilter.source.discovery import VIDEO_SUFFIXES, redacted
from streamfilter.source.opening import SAMPLE_BYTES

FETCHED = "fetched-"
"""What the names of temporary files begin with."""
_BLOCK_BYTES = 8 << 20
_MAGIC = "*?["


def expand(url: str) -> list[str]:
    """The files that an address stands for: itself, all videos below it when it ends in a slash, or what it matches.

    Raises `SourceError` where there is nothing, or the storage cannot be reached.
    """
    is_pattern = any(sign in url for sign in _MAGIC) and not url.startswith(("http://", "https://"))
    if not is_pattern and not url.endswith("/"):
        return [url]
    with _told(url, "list"):
        storage, path = _opened(url)
        found = storage.glob(path) if is_pattern else storage.find(path)
        names = [str(name) for name in found if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        urls = sorted(str(storage.unstrip_protocol(name)) for name in names)
    if not urls:
        raise SourceError(f"no video at {redacted(url)}: expected files such as .mp4, .mkv or .ts there")
    return urls


def remote_fingerprint(url: str) -> str:
    """As `source.opening.fingerprint`, from the size, the first and the last MiB. Raises `SourceError`."""
    with _told(url, "read"):
        storage, path = _opened(url)
        with storage.open(path, "rb", block_size=SAMPLE_BYTES) as file:
            size = file.seek(0, 2)
            digest = hashlib.sha256(str(size).encode())
            for begin in (0, max(0, size - SAMPLE_BYTES)):
                file.seek(begin)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


@contextmanager
def fetched(url: str, folder: Path, config: RunConfig, *, suffix: str) -> Iterator[Path]:
    """The file at `url`, in `folder` while the block runs.

    Raises `SourceError` when it cannot be fetched, is larger than `batch.fetch_bytes` or stays away for
    `source.limits.patience_s`.
    """
    with tempfile.NamedTemporaryFile(prefix=FETCHED, suffix=suffix, dir=folder) as file:
        with _told(url, "fetch"):
            _fetch(url, file, config)
        file.flush()
        yield Path(file.name)


def _fetch(url: str, out: Any, config: RunConfig) -> None:
    patience_s, most = config.source.limits.patience_s, config.batch.fetch_bytes
    source = within(patience_s, lambda: _stream(url))
    size = 0
    with source:
        while block := within(patience_s, lambda: source.read(_BLOCK_BYTES)):
            size += len(block)
            if size > most:
                raise SourceError(
                    f"{redacted(url)} is larger than batch.fetch_bytes = {most}; raise that setting if there is room"
                )
            out.write(block)


def _stream(url: str) -> BinaryIO:
    storage, path = _opened(url)
    # Read once from end to end: nothing is worth keeping.
    stream: BinaryIO = storage.open(path, "rb", block_size=_BLOCK_BYTES)
    return stream


def _opened(url: str) -> tuple[Any, str]:
    import fsspec

    storage, path = fsspec.core.url_to_fs(url)
    return storage, str(path)


@contextmanager
def _told(url: str, verb: str) -> Iterator[None]:
    """Whatever goes wrong in the block, as one line about the address."""
    shown = redacted(url)
    try:
        yield
    except SourceError:
        raise
    except StalledError:
        raise SourceError(
            f"cannot {verb} {shown}: nothing came for source.limits.patience_s; check the network"
        ) from None
    except ImportError as error:
        missing = f"{error.name} is missing" if error.name else "a library for it is missing"
        raise SourceError(
            f"cannot {verb} {shown}: {missing}; pip install 'streamfilter[cloud]' or what it needs"
        ) from None
    except FileNotFoundError:
        raise SourceError(f"cannot {verb} {shown}: no such file; check the address") from None
    except PermissionError:
        raise SourceError(
            f"cannot {verb} {shown}: permission denied; check the credentials in the environment"
        ) from None
    except OSError as error:
        raise SourceError(
            f"cannot {verb} {shown}: {error.strerror or type(error).__name__}; check network and disk"
        ) from None
    except Exception as error:  # noqa: BLE001 - every storage has errors of its own
        raise SourceError(
            f"cannot {verb} {shown}: {type(error).__name__}; expected an address that fsspec knows, such as s3://BUCKET/FILE"
        ) from None
