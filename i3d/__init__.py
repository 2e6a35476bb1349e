"""What the rules and the command-line scripts share, importable without Snakemake."""
