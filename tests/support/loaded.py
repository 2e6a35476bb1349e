"""What a forked Snakemake finds loaded: itself, its plugins, and the packages of others that the rules import.

Not the package i3d nor the logger, which imports it: some folders have copies of their own.
"""

import jsonschema  # noqa: F401
import msgspec  # noqa: F401
import numpy as np  # noqa: F401
import PIL.Image  # noqa: F401
import rich.logging
import rich.progress  # noqa: F401
import smart_open  # noqa: F401
import snakemake.cli
import snakemake.executors.local
import snakemake.report  # noqa: F401
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_report_plugins.registry import ReportPluginRegistry
from snakemake_interface_scheduler_plugins.registry import SchedulerPluginRegistry
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

for registry in (ExecutorPluginRegistry, ReportPluginRegistry, SchedulerPluginRegistry, StoragePluginRegistry):
    registry()
