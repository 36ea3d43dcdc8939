"""Does a file agree with itself, and what is done if not: `verify` compares, `repair` mends what differs.

What is derived is compared with what it was derived from, in both directions, by content (docs/adr/0008-verify.md).
`check_memories`, `check_vectors`, `schema` and `words` say what differs; `mend_rows`, `schema` and `words` put it right.
"""
