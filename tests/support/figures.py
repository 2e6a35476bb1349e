"""What a figure says."""


def texts(figure):
    """All that a figure says, outside and inside its axes."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in [*axes.texts, *axes.get_yticklabels(), axes.xaxis.label]]
        found += [axes.get_title(loc="left")]
    return [text for text in found if text]
