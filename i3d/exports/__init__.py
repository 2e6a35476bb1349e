"""Turn finished features into the files that trainers of anomaly detectors read.

selection     the videos of a split and their order: anomalies first, then by path; list lines and counts
copies        which video is an augmented or cropped copy of which
annotations   events from a CSV, matched to videos, inherited by copies
ground_truth  one value per frame of the snippets, in a list's order
crops         one file per crop, for loaders that want (snippets, 2048)
vadclip       VadCLIP's tables: labels, segments
flat_names    <name>_i3d.npy in one folder, for TEVAD and S3R
trainers      the commands each trainer needs, what breaks it, and how it reads labels
receipts      atomic writes, and records by which a damaged file is recognised
"""
