"""Data sets as downloaded, described by the sheets in config/datasets/.

patterns    `**/{category}_[0-9]*`: a safe kind of wildcard
sheet       the YAML file, checked
matching    the video that a line of an official list refers to
naming      split, category and label of every video, and the place of the annotations
"""
