"""From finished features to what trainers of anomaly detectors read.

selection     which videos, in which order: anomalies first, each part by path
copies        which video is an augmented or cropped copy of which
lists         one feature path a line; how many lines are anomalies
annotations   events from a CSV, matched to videos, inherited by copies
ground_truth  one value per frame of the snippets, in a list's order
crops         one file per crop, for loaders that want (snippets, 2048)
vadclip       VadCLIP's tables: labels, segments
flat_names    <name>_i3d.npy in one folder, for TEVAD and S3R
trainers      what each trainer is told, breaks on, and takes for a label
receipts      files that appear whole, and a record by which a spoiled one is known
"""
