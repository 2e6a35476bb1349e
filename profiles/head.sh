#!/usr/bin/env bash
# Snakemake itself as a small SLURM job, in place of a tmux session on a login node:
#
#     sbatch --account=def-yourgroup_cpu profiles/head.sh --profile profiles/narval
#
# from the folder and with the options that you would call snakemake with; I3D_ACCOUNT is exported as for that. Where it
# meets its time limit, its jobs go on. Submit it again, or twice at the start: the second begins when the first has
# ended, waits for the jobs that are left, and does the rest.
#SBATCH --job-name=i3d-head
#SBATCH --dependency=singleton
#SBATCH --time=1-00:00:00
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --output=i3d-head-%j.log
set -eu

command -v snakemake >/dev/null || source ~/envs/i3d/load
: "${I3D_ACCOUNT:?is not set: export I3D_ACCOUNT=def-yourgroup_gpu before sbatch}"

# A head that met its time limit leaves its folder locked; the tree has a lock of its own, which ends with its run.
snakemake --unlock "$@"
exec snakemake "$@"
