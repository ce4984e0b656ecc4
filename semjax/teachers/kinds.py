"""What sort of question a free text is: the kind says what a blind guess is made of.

The rule, on the lower-case words:

    1. begins with "how many", "how much" or "what number", or holds "number of"     count
    2. first word "where", or holds "which side", "left or right" or "right or left"    where
    3. first word a form of be, do, have, or a modal verb, and no word "or"             yes_no
    4. otherwise                                                                       open
"""

import re

RULE = (
    "count: how many|how much|what number|number of; where: where|which side|left or right; yes_no: verb first, no or"
)

_VERBS = re.compile(
    "is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must|"
    "isn't|aren't|wasn't|weren't|don't|doesn't|didn't"
)
_COUNT = ("how many", "how much", "what number")
_WHERE = ("which side", "left or right", "right or left")


def kind_of(question: str) -> str:
    """One of count, where, yes_no, open.

    >>> [kind_of(q) for q in ("How many cats?", "Where is it?", "Is it red?", "Is it red or blue?", "What is it?")]
    ['count', 'where', 'yes_no', 'open', 'open']
    """
    words = re.findall(r"[\w']+", question.lower())
    text = " ".join(words)
    if text.startswith(_COUNT) or "number of" in text:
        return "count"
    if words[:1] == ["where"] or any(phrase in text for phrase in _WHERE):
        return "where"
    if words[:1] and _VERBS.fullmatch(words[0]) and "or" not in words:
        return "yes_no"
    return "open"
