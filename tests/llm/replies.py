"""Replies as models write them: what came in, and what it must be read as."""

import json
from typing import Any

A = {"messages": [1], "text": "Ana lives in Porto", "kind": "core", "importance": 0.9, "confidence": 1, "entities": ["Ana"], "valid_from": None, "valid_to": None}  # fmt: skip  # noqa: E501
B = {**A, "messages": [2], "text": "Ana likes tea", "kind": "semantic", "importance": 0.5}
BOTH = ["Ana lives in Porto", "Ana likes tea"]
GOOD = json.dumps({"facts": [A, B]})
J = json.dumps


def one(**fields: Any) -> str:
    return J({"facts": [{**A, **fields}]})


# name: reply, the texts of the facts it holds for a window of two messages
READABLE: dict[str, tuple[str, list[str]]] = {
    "as asked": (GOOD, BOTH),
    "nothing to remember": ('{"facts": []}', []),
    "nothing, as a bare list": ("[]", []),
    "nothing, in a fence with prose": ('Nothing here.\n```json\n{"facts": []}\n```', []),
    "nothing, as a word in the list": ('{"facts": ["None."]}', []),
    "code fence": (f"```json\n{GOOD}\n```", BOTH),
    "fence without a language": (f"```\n{GOOD}\n```", BOTH),
    "fence that is never closed": (f"```json\n{GOOD}", BOTH),
    "prose before": (f"Here are the facts I found:\n\n{GOOD}", BOTH),
    "prose after": (f"{GOOD}\n\nLet me know if you need more!", BOTH),
    "prose with brackets around": (f"As asked [see 1], {{roughly}}: {GOOD} (all [2] of them)", BOTH),
    "bare list": (J([A, B]), BOTH),
    "single object": (J(A), BOTH[:1]),
    "list around the whole": (J([{"facts": [A, B]}]), BOTH),
    "one object per line": (f"{J(A)}\n{J(B)}", BOTH),
    "two documents": (J({"facts": [A]}) + "\n" + J({"facts": [B]}), BOTH),
    "the same document twice": (GOOD + "\n" + GOOD, BOTH),
    "list under another name": (J({"results": [A, B]}), BOTH),
    "list under a capitalised name": (J({"Facts": [A, B]}), BOTH),
    "object instead of a list": (J({"facts": {"1": A, "2": B}}), BOTH),
    "one fact instead of a list": (J({"facts": A}), BOTH[:1]),
    "key given twice, as lists": (f'{{"facts": [{J(A)}], "facts": [{J(B)}]}}', BOTH),
    "field given twice": ('{"facts": [{"messages": [1], "text": "no", "text": "Ana likes tea"}]}', BOTH[1:]),
    "other keys beside": (J({"reasoning": "[hm]", "facts": [A, B], "count": 2}), BOTH),
    "thinking before": (f'<think>Is {{"facts": [{{"text": "Ana is a spy", "messages": [1]}}]}} right? No.</think>\n{GOOD}', BOTH),
    "thinking whose opening tag was swallowed": (f'Maybe {{"facts": []}}?</think>{GOOD}', BOTH),
    "cut within the second fact": (GOOD[:-60], BOTH[:1]),
    "cut right behind the first": (f'{{"facts": [{J(A)}', BOTH[:1]),
    "cut behind a comma": (f'{{"facts": [{J(A)}, ', BOTH[:1]),
    "cut within a list inside a fact": (f'{{"facts": [{J(A)}, {{"messages": [2], "text": "Ana likes", "entities": ["An', BOTH[:1]),
    "trailing commas": ('{"facts": [{"messages": [1,], "text": "Ana likes tea",},],}', BOTH[1:]),
    "missing commas": (
        '{"facts": [{"messages": [1]\n"text": "Ana likes tea"}\n{"messages": [1]\n"text": "Ana lives in Porto"}]}',
        BOTH[::-1],
    ),
    "Python literals": (repr({"facts": [A, B]}), BOTH),
    "single quotes with an apostrophe": ("{'facts': [{'messages': [1], 'text': 'Ana's cat is old'}]}", ["Ana's cat is old"]),
    "quotes inside that were not escaped": (
        '{"facts": [{"messages": [1], "text": "Ana calls it "home", always", "kind": "core"}]}',
        ['Ana calls it "home", always'],
    ),
    "curly quotes": ("{“facts”: [{“messages”: [1], “text”: “Ana likes tea”}]}", BOTH[1:]),
    "keys without quotes": ('{facts: [{messages: [1], text: "Ana likes tea"}]}', BOTH[1:]),
    "comments": ('{"facts": [ // two\n {"messages": [1], /* here */ "text": "Ana likes tea"} # done\n]}', BOTH[1:]),
    "NaN and Infinity": ('{"facts": [{"messages": [1], "text": "Ana likes tea", "importance": NaN, "confidence": Infinity}]}', BOTH[1:]),
    "huge numbers": (f'{{"facts": [{{"messages": [1], "text": "Ana likes tea", "importance": 1{"0" * 5000}}}]}}', BOTH[1:]),
    "byte order mark and odd spaces": (f"\ufeff\u00a0\r\n\t{GOOD}\u2003", BOTH),
    "line breaks within a text": ('{"facts": [{"messages": [1], "text": "Ana likes\ntea"}]}', ["Ana likes\ntea"]),
    "numbers as texts": (one(messages=["1"], importance="0.9"), BOTH[:1]),
    "a message's number in words": (one(messages="message 1"), BOTH[:1]),
    "a single number for a list": (one(messages=1.0), BOTH[:1]),
    "sources under another name": (J([{"text": "Ana likes tea", "sources": [2]}]), BOTH[1:]),
    "text under another name": (J([{"fact": "Ana likes tea", "messages": [2]}]), BOTH[1:]),
    "one invented message among real ones": (one(messages=[1, 99]), BOTH[:1]),
    "one invented fact among real ones": (J([A, {**B, "messages": [7]}]), BOTH[:1]),
    "numbers and nulls among the facts": (J([None, 7, A, [B], True]), BOTH[:1]),
    "an empty text among real ones": (J([{**A, "text": " "}, B]), BOTH[1:]),
    "garbage between fields": (
        '{"facts": [{"messages": [1], "text": "x", @@ "kind": 1}, {"messages": [1], "text": "Ana likes tea"}]}',
        BOTH[1:],
    ),
    "characters that no file can hold": (one(text="Ana\x00 lives \ud83d in Porto"), ["Ana lives  in Porto"]),
    "emoji as pairs of escapes, in broken JSON": ('{"facts": [{"messages": [1], "text": "Ana \\ud83d\\ude00 tea",}]}', ["Ana 😀 tea"]),
    "other scripts": (one(text="安娜住在波尔图"), ["安娜住在波尔图"]),
    "JSON inside a text": (one(text='Ana wrote {"facts": []} on a card'), ['Ana wrote {"facts": []} on a card']),
    "a closing think tag inside a text": (one(text="Ana types </think> a lot"), ["Ana types </think> a lot"]),
    "the same fact twice": (J([A, {**A, "text": "Ana  lives in Porto"}]), BOTH[:1]),
    "nested a little too much": (J({"facts": [{**A, "entities": [["Ana"]]}]}), BOTH[:1]),
}

# name: reply, what the error says
UNREADABLE: dict[str, tuple[str, str]] = {
    "empty": ("", "empty"),
    "white space": (" \n\t\ufeff ", "empty"),
    "refusal": ("I'm sorry, but I can't help with that.", "no JSON"),
    "prose": ("Ana lives in Porto and likes tea.", "no JSON"),
    "Markdown list": ("- Ana lives in Porto\n- Ana likes tea", "no JSON"),
    "prose that says there is nothing": ("There is nothing worth remembering.", "no JSON"),
    "only thinking": ("<think>The user lives in", "no JSON"),
    "thinking that holds the only JSON": (f"<think>{GOOD}</think>I can't.", "no JSON"),
    "null": ("null", "no JSON"),
    "a number": ("42", "no JSON"),
    "empty object": ("{}", 'no list "facts"'),
    "null for the list": ('{"facts": null}', 'no list "facts"'),
    "a text for the list": ('{"facts": "Ana likes tea"}', 'no list "facts"'),
    "an error message": ('{"error": {"message": "overloaded"}}', 'no list "facts"'),
    "decisions instead": ('{"decisions": [], "note": ""}', 'no list "facts"'),
    "a footnote": ("As said above [1].", 'no list "facts"'),
    "cut before the first fact was complete": ('{"facts": [{"messages": [1], "text": "Ana lives in', "before its first entry"),
    "cut at the first bracket": ('{"facts": [', "before its first entry"),
    "only invented messages": (one(messages=[3]), "cited none of the messages"),
    "no sources at all": (J(["Ana lives in Porto"]), "cited none of the messages"),
    "message nought": (one(messages=[0]), "cited none of the messages"),
    "true for a message": (one(messages=True), "cited none of the messages"),
    "facts without words": (J([{"messages": [1], "text": ""}, {"messages": [1], "kind": "core"}]), "had no text"),
    "facts that are numbers": ('{"facts": [1, 2]}', "was no object"),
    "an essay": (one(text="word " * 500), "2000 characters"),
    "brackets without end": ("[" * 100_000, "nested deeper"),
    "objects without end": ('{"facts":' * 100_000, "nested deeper"),
    "valid, but nested without reason": ('{"facts":' + "[" * 30 + "]" * 30 + "}", "nested deeper"),
}
