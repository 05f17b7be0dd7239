"""Chapter 1: raw files -> clean tables -> a split without leaks."""

from recsys_kit.data.audit import audit_split
from recsys_kit.data.checking import FileCheck, check_files
from recsys_kit.data.cleaning import FLAGS, clean, compare_sample, flag_unusual, k_core, sample_users
from recsys_kit.data.describe import cold_counts, facts, leak_counts, waterfall
from recsys_kit.data.sources import DATASETS, load_dataset, name_of, source_files
from recsys_kit.data.splitting import Split, assign_parts, split_at_random, split_interactions
from recsys_kit.data.tables import Dataset, RawTables
from recsys_kit.data.validation import validate

__all__ = [
    "DATASETS", "FLAGS", "Dataset", "FileCheck", "RawTables", "Split", "assign_parts", "audit_split", "check_files",
    "clean", "cold_counts", "compare_sample", "facts", "flag_unusual", "k_core", "leak_counts", "load_dataset",
    "name_of", "sample_users", "source_files", "split_at_random", "split_interactions", "validate", "waterfall",
]  # fmt: skip
