"""Labels of LangGraph namespaces for any id: a label may hold no period, and many a user's id is an e-mail address."""


def escape_label(text: str) -> str:
    """Return a text as a label of a namespace: `ana@example.org` becomes `ana@example%2Eorg`. Equal texts give equal labels.

    Args:
        text: Any id. What holds neither a period nor a per cent sign stays as it is.
    """
    return text.replace("%", "%25").replace(".", "%2E")


def unescape_label(label: str) -> str:
    """Return the text that `escape_label` made a label of."""
    return label.replace("%2E", ".").replace("%25", "%")
