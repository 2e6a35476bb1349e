"""Data sets as they were downloaded: what their sheets in config/datasets/ say of each video.

patterns    `**/{category}_[0-9]*`: a safe kind of wildcard
sheet       the YAML file, checked
matching    which video a line of an official list means
naming      split, category and label of every video, and where the annotations are
"""
