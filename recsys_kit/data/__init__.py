"""Chapter 1: raw files -> clean tables -> a split without leaks."""

from recsys_kit.core.events import order_events
from recsys_kit.core.ids import item_hash
from recsys_kit.data.audit import audit_split
from recsys_kit.data.checking import FileCheck, check_files
from recsys_kit.data.cleaning import (
    FLAGS,
    clean,
    clean_text,
    compare_sample,
    flag_unusual,
    k_core,
    repeated_ratings,
    sample_users,
)
from recsys_kit.data.describe import (
    cold_counts,
    facts,
    leak_counts,
    waterfall,
)
from recsys_kit.data.sources import DATASETS, load_dataset, name_of, source_files
from recsys_kit.data.splitting import Split, assign_parts, split_at_random, split_interactions
from recsys_kit.data.tables import Dataset, RawTables
from recsys_kit.data.validation import validate

__all__ = [
    "DATASETS", "FLAGS", "Dataset", "FileCheck", "RawTables", "Split", "assign_parts", "audit_split", "check_files",
    "clean", "clean_text", "cold_counts", "compare_sample", "facts", "flag_unusual", "item_hash", "k_core",
    "leak_counts", "load_dataset", "name_of", "order_events", "repeated_ratings", "sample_users",
    "source_files", "split_at_random", "split_interactions", "validate", "waterfall",
]  # fmt: skip
