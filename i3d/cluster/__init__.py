"""What touches SLURM and Snakemake's own objects."""
