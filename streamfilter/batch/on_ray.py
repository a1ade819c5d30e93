"""The engine of a Ray cluster: tasks that decode, on CPUs, feed actors that hold the model, on GPUs if there are any.

    Ray Data: one task a file                                    actors, one a GPU
    source ─► sampler ─► gate ─► look's picture ══ pictures ══►  network
    log ◄─ smoother ◄─ rejector ◄════════════════ candidates ══
     ║
    the driver writes it, whole

A task runs the very pipeline of a run, but for its network, which it asks elsewhere; the network gets the same batches.
So the logs are the same to the byte. What dies is taken care of by Ray: an actor begins anew and is asked again, a task
is given to another worker once. Files must be where every node finds them: on a shared disk, or at a URL.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamfilter.batch.engine import Done, Ready
from streamfilter.batch.entries import Entry
from streamfilter.batch.local import TRIES, refusal
from streamfilter.batch.looking import write_log
from streamfilter.batch.placing import write_whole
from streamfilter.buffering import StalledError, prefetch
from streamfilter.config import RunConfig
from streamfilter.errors import ConfigError, ModelError, StreamFilterError
from streamfilter.pipeline import Network, load_network
from streamfilter.source.discovery import redacted
from streamfilter.types import Candidate, Pixels
from streamfilter.watching import Watcher

TASKS_PER_COPY = 2
"""Files that are decoded for each copy of the model on a CPU, so that one is ready while another waits."""


class RayEngine:
    """See `engine.Engine`. On the cluster that `RAY_ADDRESS` names, else on one of this machine's own for the time."""

    def __init__(self, model: Path, config: RunConfig, *, out: Path, unfinished: Path) -> None:
        self._model, self._config = model, config
        self._out, self._unfinished = out, unfinished
        self._is_ours = False
        self._copies: list[Any] = []
        self._content: Any = None

    def __enter__(self) -> Self:
        self._is_ours = _connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for copy in self._copies:
            ray.kill(copy)
        if self._is_ours:
            ray.shutdown()

    def ready(self) -> Ready:
        """See `engine.Engine`."""
        import ray

        try:
            self._content = ray.put(self._model.read_bytes())  # kept: an actor that begins anew wants it again
        except OSError as error:
            raise ModelError(f"cannot read model {self._model}: {error.strerror}; check the path") from None
        plan = _plan(ray.cluster_resources(), self._config.batch.jobs)
        # However often it dies, it begins anew, and what it was asked is asked again.
        made = ray.remote(num_cpus=1, num_gpus=plan.gpus, max_restarts=-1, max_task_retries=-1)(ModelCopy)
        self._copies = [made.remote(self._content, self._config, plan.threads) for _ in range(plan.copies)]
        self._plan = plan
        network = _ask(self._copies[0].network)
        return Ready(network.facts.digest, network.facts.runtime, f"{plan.copies} × {network.device} on Ray")

    def done(
        self, todo: Sequence[Entry], *, stop: Callable[[], bool], reach: Callable[[float], None]
    ) -> Iterator[Done]:
        """See `engine.Engine`."""
        left = dict(enumerate(todo))
        if not left:
            return
        with prefetch(self._rows(todo), 1, is_stalled=stop) as rows:
            try:
                for row in rows:
                    yield self._placed(left.pop(row["number"]), row)
                    reach(len(todo) - len(left))
            except StalledError:  # somebody said stop, and nothing has come for a second
                return
        for entry in left.values():
            name = redacted(entry.source)
            yield Done(entry, f"the worker of {name} died, {TRIES} times; look for memory, or convert the file")

    def _rows(self, todo: Sequence[Entry]) -> Iterator[dict[str, Any]]:
        """What comes of each file, in any order; nothing where a worker has died of it twice."""
        import ray

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        rows = [{"number": n, "source": entry.source, "log": entry.log} for n, entry in enumerate(todo)]
        looked = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            look_through,
            fn_kwargs={"copies": self._copies, "config": self._config},
            compute=ray.data.TaskPoolStrategy(size=self._plan.tasks),
            num_cpus=self._plan.task_cpus,
            max_retries=TRIES - 1,
        )
        for block in looked.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from block.to_pylist()

    def _placed(self, entry: Entry, row: dict[str, Any]) -> Done:
        if row["exit_code"]:
            raise refusal(row["error"], row["exit_code"])
        if row["error"]:
            return Done(entry, row["error"])
        write_whole(self._out / entry.log, row["log"], folder=self._unfinished)
        return Done(entry)


class ModelCopy:
    """The actor: one copy of the model. Its file comes along, so that no node needs to have it."""

    def __init__(self, content: bytes, config: RunConfig, threads: int) -> None:
        shared = config.classifier.model_copy(update={"threads": config.classifier.threads or threads})
        self._error: StreamFilterError | None = None
        with tempfile.NamedTemporaryFile(prefix="streamfilter-", suffix=".safetensors") as file:
            file.write(content)
            file.flush()
            try:
                self._network = load_network(Path(file.name), config.model_copy(update={"classifier": shared}))
            except StreamFilterError as error:
                self._error = error

    def network(self) -> Network:
        """All of it but for the classifier, which stays here. Raises `ModelError` when it could not be loaded."""
        if self._error is not None:
            raise self._error
        network = self._network
        here = _Elsewhere(None, network.classifier.labels)
        return Network(here, network.rejector, network.facts, network.device, network.probability)

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """See `stages.Classifier`."""
        return self._network.classifier.analysis_size(width, height)

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """See `stages.Classifier`."""
        return self._network.classifier.classify(pictures)


class _Elsewhere:
    """A classifier (`stages.Classifier`) that asks an actor."""

    def __init__(self, copy: Any, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self._copy = copy
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}

    def analysis_size(self, width: int, height: int) -> tuple[int, int]:
        """See `stages.Classifier`."""
        if (width, height) not in self._sizes:
            self._sizes[width, height] = tuple(_ask(self._copy.analysis_size, width, height))
        return self._sizes[width, height]

    def classify(self, pictures: Sequence[Pixels]) -> list[list[Candidate]]:
        """See `stages.Classifier`."""
        found: list[list[Candidate]] = _ask(self._copy.classify, list(pictures)) if pictures else []
        return found


def look_through(row: dict[str, Any], *, copies: Sequence[Any], config: RunConfig) -> dict[str, Any]:
    """The task: the log of one file, or why there is none. An `exit_code` is that of an error that ends everything."""
    told = {"number": row["number"], "log": b"", "error": "", "exit_code": 0}
    try:
        told["log"] = _log(row, copies[row["number"] % len(copies)], config)
    except StreamFilterError as error:
        told |= {"error": str(error), "exit_code": error.exit_code}
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        name = redacted(row["source"])
        told["error"] = f"{name}: {type(error).__name__}: {error}; this is a bug in streamfilter, please report it"
    return told


def _log(row: dict[str, Any], copy: Any, config: RunConfig) -> bytes:
    network: Network = _ask(copy.network)
    here = _Elsewhere(copy, network.classifier.labels)
    network = Network(here, network.rejector, network.facts, network.device, network.probability)
    with tempfile.TemporaryDirectory(prefix="streamfilter-") as folder:
        log = Path(folder) / row["log"]
        write_log(row["source"], log, network, config, watcher=Watcher())
        content: bytes = log.read_bytes()
    return content


def _ask(method: Any, *arguments: Any) -> Any:
    """What an actor's method returns. Raises its `StreamFilterError` as it was."""
    import ray

    try:
        return ray.get(method.remote(*arguments))
    except StreamFilterError as error:
        # Ray's own error is of that kind as well, but tells the whole traceback.
        raise refusal(str(getattr(error, "cause", error)), error.exit_code) from None


class _Plan:
    """How a cluster is shared out: copies of the model and their threads, tasks at once and their part of a CPU."""

    def __init__(self, *, copies: int, gpus: int, threads: int, tasks: int, task_cpus: float) -> None:
        self.copies, self.gpus, self.threads = copies, gpus, threads
        self.tasks, self.task_cpus = tasks, task_cpus


def _plan(resources: dict[str, float], jobs: int) -> _Plan:
    """On GPUs decoding is what limits, and gets the other CPUs; on CPUs it is the network, and decoding gets half."""
    cpus, gpus = max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0))
    if gpus:
        copies = min(jobs or gpus, gpus)
        return _Plan(copies=copies, gpus=1, threads=1, tasks=max(1, cpus - copies), task_cpus=1)
    copies = jobs or max(1, cpus // 2)
    tasks = TASKS_PER_COPY * copies
    left = max(0.0, cpus - copies) / tasks
    return _Plan(copies=copies, gpus=0, threads=max(1, cpus // copies), tasks=tasks, task_cpus=min(1.0, left))


def _connect() -> bool:
    """Have a cluster; whether it is ours, and ends with us. Raises `ConfigError` where Ray is not installed."""
    # Nothing is told of its use to anybody; Ray reads this when it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(
            f"--engine ray needs Ray ({error.name} is missing): pip install 'streamfilter[ray]'"
        ) from None
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what becomes of a file is for us to tell
    if ray.is_initialized():
        return False
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ray.init(os.environ.get("RAY_ADDRESS", "local"), log_to_driver=False, logging_level=logging.ERROR)
    for number, handler in handlers.items():
        signal.signal(number, handler)  # how to stop is for us to say
    return True
