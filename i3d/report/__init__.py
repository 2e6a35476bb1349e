"""The report of a features tree: pages and pictures, for a browser and for `snakemake --report`."""
