"""Does a file agree with itself, and what is done if not: `verify` compares, `repair` mends what differs.

What is derived is compared with what it was derived from, in both directions, by content (docs/adr/0008-verify.md). A `check_`
file says what differs in one kind of row, a `mend_` file puts it right.
"""
