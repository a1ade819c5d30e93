"""Archives of thousands of files: one event log each, in processes of this machine or on a Ray cluster."""

from streamfilter.batch.archive import Archive, BatchSummary, run_batch
from streamfilter.batch.index import INDEX

__all__ = ["INDEX", "Archive", "BatchSummary", "run_batch"]
