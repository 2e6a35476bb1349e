"""What `snakemake --report` shows."""
