"""The cluster and the projects on it, for all tests of this folder."""

from tests.support.slurm_project import *  # noqa: F403
