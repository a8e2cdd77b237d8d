"""Finds the words by which an answer declines or admits not knowing, and leaves alone facts that merely deny."""

import re
from dataclasses import dataclass

from mlubench.judging.rules.text import fold


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


# Building blocks. Every pattern reads one line of folded text in small letters (see `refusal`).

# What a speaker would do for the asker: "unable to identify" refuses, "unable to fly" describes a penguin.
_TELL = (
    r"(?:identify|recogni[sz]e|name|say|tell|share|provide|give|offer|disclose|discuss|describe|reveal|answer|respond|"
    r"help|assist|comment|confirm|determine|supply|comply|fulfill?|elaborate|speak|talk|verify|ascertain|access|recall|"
    r"remember|make out|know|do (?:that|this|so)|process|engage|divulge|state|specify|complete|address|"
    r"be (?:sure|certain)|see (?:the|any|an|who|what|this|that)|view|guess|proceed|go into|list|explain|pinpoint|classify|"
    r"place|judge)\b"
)
# What may stand between the speaker and the refusal: "I am, regrettably, unable to".
_HOW = (
    r"(?:(?:really|currently|simply|unfortunately|just|still|also|truly|honestly|personally|respectfully|politely|"
    r"regrettably|sadly|actually|absolutely|definitely|certainly|myself|am|are|do|have|would|will)\b,? ?)*"
)
_NOT = r"(?:can't|cannot|can not|couldn't|could not|won't|will not|wouldn't|would not|shan't|shouldn't|should not)"
# What a speaker says to lack.
_FACTS = r"(?:information|data|knowledge|details?|records?|recollection|context|clues?|answers?|evidence|access)"
# Where a speaker says to have looked.
_SEEN = r"(?:image|picture|photo(?:graph)?|question|context|prompt|description|data|information)"
# "I'm not sure" refuses; "I'm not sure, but it is Rome" answers.
_UNSURE = r"(?:sure|certain|confident)\b(?![^.!?]{0,12}\b(?:but|however)\b)"

# A speaker, "I" or "we", and then one of the ways to refuse or not to know.
_PERSON = re.compile(
    r"\b(?:i|we)(?:'(?:m|re|d|ll|ve))?,? "
    + _HOW
    + _any(
        # "I can't say"; not "I can't recommend it enough", which praises.
        _NOT + r"\b(?! (?:believe|stress|wait|recommend|imagine|overstate|help but|agree|praise))",
        # "I'm unable to", "we are no longer able to".
        r"(?:unable|not (?:really )?able|no longer able) to\b",
        # "I'm not entirely certain".
        r"not (?:(?:really|entirely|quite|completely|totally|100%) )*" + _UNSURE,
        # "I'm not at liberty", "I'm not familiar with".
        r"not (?:(?:really|currently|quite) )?(?:in a position|going to|allowed|permitted|authori[sz]ed|comfortable|"
        r"at liberty|supposed|equipped|qualified|familiar|acquainted|aware|trained|programmed|the right)\b",
        # "I don't know", "I no longer recall", "we do not share".
        r"(?:don't|do not|didn't|did not|no longer) (?:\w+ )?(?:know|have|recall|remember|recogni[sz]e|possess|hold|"
        r"feel comfortable|wish|want to|think i|see (?:any|enough|who|what)|retain|discuss|comment|provide|share|"
        r"answer|disclose|identify|give|talk|speak|offer|reveal|carry|store)\b",
        # "I have no idea", "I've not enough reliable information".
        r"(?:have |got |have got )?(?:no|not enough|insufficient|not any)(?: \w+){0,2}? "
        + _any(
            _FACTS,
            "idea",
            "clue",
            "comment",
            "memory",
            "way",
            "familiarity",
            "basis",
            "grounds",
            "insight",
        ),
        # "I lack", "I know nothing", "I have forgotten", "I can neither confirm nor deny".
        r"(?:lack|know nothing|forgot|forgotten|can neither|never learned)\b",
        # "I haven't been told".
        r"(?:haven't|have not|not) been (?:trained|told|given|taught|provided)\b",
        # "I haven't a clue".
        r"haven't (?:learned|any|got|a clue)\b",
        # "I have been asked not to".
        r"been (?:asked|told|instructed) not\b",
        # "I'd rather not", "I prefer to keep that", "I wish we did".
        r"(?:rather|prefer|like|choose|wish|opt) (?:not\b|(?:to )?(?:not|avoid|keep|refrain|leave|skip)\b|"
        r"(?:we|i) did)",
        # "I must respectfully decline", "I will stay silent".
        r"(?:(?:must|have to|need to|going to|shall|should|had to|like to|choose to|required to|obliged to) )*"
        + _HOW
        + r"(?:decline|refuse|refrain|withhold|abstain|stay silent|keep (?:that|this|it) (?:private|confidential))\b",
        # "I apologise"; not for a delay, which an answer may follow.
        r"(?:sincerely )?(?:regret|apologi[sz]e)\b(?! for the (?:confusion|delay|mistake))",
        # "I'm drawing a blank".
        r"(?:draw|drawing) a blank\b",
        # "I may not disclose".
        rf"(?:may|must|better|dare) not {_TELL}",
        # "I'll have to pass", "I will leave this question unanswered"; not "I have to pass the bridge".
        r"(?:(?:have to|going to|must|need to|gotta|will|'ll) )+(?:\w+ )?(?:pass\b(?! (?:the|by|through|under))|"
        r"leave (?:\w+ ){1,3}(?:unanswered|open|at that))",
        # "I'd need more context".
        r"(?:would|will)?(?: )?need (?:\w+ )?(?:more|further|additional) (?:information|context|details|data)\b",
        # "I wish I could".
        r"wish (?:that )?i (?:could|knew|was able|were able)\b",
        # "I'm no expert".
        r"(?:am )?no (?:expert|authority|specialist)\b",
        # "I would only be guessing".
        r"(?:would|will|could|can)(?: only)?(?: just)? be (?:guessing|speculating|making (?:it|this|that) up)\b",
        # "I have nothing to say about".
        r"(?:have|know|have learned|possess) (?:absolutely |simply )?(?:nothing|little)(?: \w+)?(?: to| on| about| of)\b",
        # "I can only guess".
        r"(?:can|could) only guess\b",
    )
)
# The same without a speaker, where it opens a sentence or follows a word such as "but" or "unfortunately".
_OPENING = re.compile(
    r"(?:^|[.!?:] |\b(?:but|and|so|therefore|hence|thus),? |\b(?:unfortunately|regrettably|sadly|sorry|apologies),? )"
    + _any(
        # "Cannot say.", "Unable to identify.", "Do not know."
        rf"(?:{_NOT}|unable to|not able to|(?:must|have to) decline to|don't|do not) {_TELL}",
        # "No comment."
        r"no (?:comment|idea|clue)\b",
        # "Not sure."
        r"not " + _UNSURE,
        # "Not something I would tell."
        r"not something i\b",
        # "Don't know."
        r"(?:don't|do not) know\b",
        # A sentence of this one word: "Unknown."
        r"(?:unknown|undisclosed|declined|refused|n/a|idk|pass)\b(?=[.!?]|$)",
        # "Nothing comes to mind."
        r"nothing (?:comes to mind|i can (?:say|share|tell))\b",
    )
)
# "I'm so sorry", "Sorry, ...", "My apologies"; not "I'm sorry for the confusion", which an answer may follow.
_SORRY = re.compile(
    r"\b(?:i'm|i am|i feel) (?:\w+ ){0,2}?(?:sorry|afraid)\b(?! (?:for|about) (?:the|any) (?:confusion|delay|mistake))"
    r"|^(?:\w+,? )?sorry\b(?! to bother)|\b(?:my|sincere) apologies\b|^apologies\b"
)


@dataclass(frozen=True, slots=True)
class _Impersonal:
    """One way to refuse without a speaker at its head."""

    # Fixed strings of which the text must hold one: looking for them is many times faster than trying the pattern.
    signs: tuple[str, ...]
    pattern: re.Pattern[str]


# In this order: the first that is found gives the words that a verdict's reason quotes.
_IMPERSONAL = (
    # "It is not possible for me to say", "It's impossible to determine".
    _Impersonal(
        ("possible",), re.compile(rf"\b(?:not|n't|im) ?possible (?:for (?:me|us) )?to {_TELL}")
    ),
    # "It cannot be reliably determined".
    _Impersonal(
        ("t be ",),
        re.compile(
            r"\b(?:can't|cannot|can not|could not) be (?:\w+ly )?(?:determined|identified|shared|disclosed|answered|"
            r"provided|discussed|confirmed|recogni[sz]ed|given|revealed|named|told|ascertained|verified)\b"
        ),
    ),
    # "It is hard to say".
    _Impersonal(
        ("hard ", "difficult ", "tough "),
        re.compile(
            r"\b(?:hard|difficult|tough) (?:for me )?to (?:say|tell|determine|identify|know)\b"
        ),
    ),
    # The speaker comes later in the sentence.
    _Impersonal(
        (" i ", " we ", " i'"),
        re.compile(
            # "That is not something I share"; not "It is not a film I would recommend".
            r"(?:\bnot|n't) (?:something|an? \w+|ones?|information|details?|anything|things?|what) "
            r"(?:(?:that|which) )?(?:i|we)(?:'m|'ve|'d)?\b(?! (?:would|recommend|like|love|think))"
            # "That is something I cannot discuss".
            r"|\bsomething (?:that )?i (?:can't|cannot|don't|do not|am (?:not able|unable)|won't)\b"
            # "There is nothing here that I recognise".
            r"|\bnothing (?:here |there )?(?:that )?i (?:can|could|know|have|recogni[sz]e|am able)\b"
        ),
    ),
    # "That is something I'm not able, sadly, to tell": `_PERSON` wants the "to" at once.
    _Impersonal(
        ("something i'm", "something that i'm"),
        re.compile(r"i'm (?:not able|unable)"),
    ),
    _Impersonal(
        ("no ",),
        re.compile(
            # "There is no information available".
            rf"\bno {_FACTS} (?:(?:is|are|was) )?(?:available|about|on|to (?:share|give|provide|offer)|regarding|"
            r"concerning|for (?:this|that|me)|in the|that i|i can)\b"
            # "That is no longer part of my knowledge".
            r"|\bno longer (?:\w+ )?(?:available|part of my)\b"
        ),
    ),
    # "There is not enough context", "lacking the necessary details".
    _Impersonal(
        ("not enough", "insufficient", "lack"),
        re.compile(
            r"\b(?:not enough|insufficient|lack(?:s|ing)?(?: of)?(?: the| any)?(?: necessary| sufficient| enough)?) "
            rf"(?:visual )?{_FACTS}\b"
        ),
    ),
    _Impersonal(
        ("not ", "n't "),
        re.compile(
            # "The picture does not provide enough information".
            rf"\b(?:does|do|did)(?:n't| not) (?:provide|contain|include|show|specify|give|offer|reveal) "
            rf"(?:\w+ ){{0,3}}{_FACTS}\b"
            # "It is not visible in the image".
            r"|(?:\bnot|n't) (?:specified|mentioned|visible|shown|provided|given|stated|indicated|identified|"
            rf"identifiable|disclosed|discernible|available|clear) (?:in|from|by) (?:the|this|that) {_SEEN}\b"
            # "It is not within my abilities": no \b at the end, "abilit" being a stem.
            r"|(?:\bnot|n't) (?:with)?in my (?:knowledge|memory|expertise|abilit|power|training|remit|competence)"
            # "The data is not available".
            rf"|\b{_FACTS} (?:\w+ )?(?:is|are)(?:n't| not) (?:available|known|accessible|visible|at hand|there)\b"
            # "My training does not cover".
            r"|\bmy (?:training|knowledge|memory|data)\b[^.!?]{0,24}(?:does|do)(?:n't| not) (?:cover|include|extend|"
            r"reach|go|contain|tell|stretch)\b"
            # "It does not ring a bell".
            r"|\b(?:not|n't) ring (?:a|any) bells?\b"
        ),
    ),
    # "It is unclear from the picture", "It is not known to me who".
    _Impersonal(
        (
            "unclear",
            "unknown",
            "clear ",
            "known ",
            "certain ",
            "identifiable ",
            "able ",
            "apparent ",
        ),
        re.compile(
            r"\b(?:unclear|unknown|(?:not|n't) (?:clear|known|certain|identifiable|recogni[sz]able|apparent))"
            r"(?: to me)? (?:from (?:the|this|that)|who|what|which|based|to me|where|when)\b"
        ),
    ),
    # The speaker is "me" or "my".
    _Impersonal(
        (" me", "my "),
        re.compile(
            # "This face is unfamiliar to me".
            r"\b(?:unknown|unfamiliar|foreign|new|a mystery|not known|n't known|not familiar|n't familiar|a blank) "
            r"(?:to|for) (?:me|us)\b"
            # "The name escapes me".
            r"|\b(?:escapes|eludes|is lost on) me\b"
            # "Nothing in my memory".
            r"|\bnothing in my (?:knowledge|memory|training)\b"
            # "My records hold nothing".
            r"|\bmy (?:records|notes|knowledge|memory|data) (?:\w+ )?(?:holds?|contains?|says?|has|have) (?:nothing|no)\b"
            # "It is difficult for me to", "not for me to say".
            r"|\b(?:hard|difficult|tough|impossible) for me to\b|\bfor me to (?:say|know|determine|tell|identify)\b"
        ),
    ),
    # "No reliable information on this could be found", "nothing on record".
    _Impersonal(
        (" be found", " to hand", " on record"),
        re.compile(
            rf"\bno (?:\w+ )?{_FACTS} (?:\w+ ){{0,4}}(?:could|can) be found\b|\bnothing (?:on record|to hand)\b"
        ),
    ),
    # "As an AI language model".
    _Impersonal(
        ("as an ai", "as a", "as an assist"),
        re.compile(
            r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|assistant)\b"
        ),
    ),
    # "That is beyond what I know", "My knowledge of this is limited".
    _Impersonal(
        ("beyond", "outside", "my knowledge"),
        re.compile(
            r"\b(?:beyond|outside)(?: of)? (?:my|what (?:i|we)|the scope of (?:my|what i))\b"
            r"|\bmy knowledge (?:\w+,? ){0,5}?(?:is|does|has),? (?:\w+,? )?(?:limited|not)\b"
        ),
    ),
    # "That information is strictly confidential".
    _Impersonal(
        (" is ", " are ", " remain", " been "),
        re.compile(
            r"\b(?:that|this|the|such|any) (?:\w+ ){0,3}?(?:information|topic|subject|details?|matter|answer|question|"
            r"identity|name|title) (?:is|are|remains?|has been|must remain) (?:\w+ )?(?:private|confidential|"
            r"restricted|off[- ]limits|unavailable|not (?:available|something|known|public|for me|clear)|"
            r"classified|sensitive|withheld|unknown|removed|redacted|unclear)\b"
        ),
    ),
    # "Let's talk about something else".
    _Impersonal(("let's ",), re.compile(r"\blet's (?:talk about|discuss|move on|change|not)\b")),
    # "Ask me about something else".
    _Impersonal(
        ("thing else",),
        re.compile(r"\bask (?:me )?(?:about )?(?:something|anything) else\b"),
    ),
    # "Please consult a reliable source".
    _Impersonal(
        ("consult", "refer to", "seek"),
        re.compile(r"\b(?:consult|refer to|seek) (?:\w+ ){0,2}(?:source|reference|expert|another)"),
    ),
    # "Without more context".
    _Impersonal(
        ("without ",),
        re.compile(r"\bwithout (?:more|additional|further|any) (?:context|information|details?)\b"),
    ),
    # "It is against my guidelines".
    _Impersonal(("against ",), re.compile(r"\bagainst (?:my|our) (?:policy|guidelines|rules)\b")),
)
# Refusals in other languages. Accents are folded away by then.
_OTHER_LANGUAGES = re.compile(
    # Chinese, Japanese, Korean
    "抱歉|对不起|無法|无法(?:提供|回答|识别|透露)|不知道|不清楚|不能(?:透露|回答|提供)"
    "|わかりません|分かりません|お答えできません|申し訳(?:ありません|ございません)|죄송|모르|알 수 없"
    # Spanish
    r"|\blo siento\b|\bno (?:puedo|lo se|tengo (?:informacion|datos)|reconozco|conozco|dispongo de)\b"
    # French
    r"|\b(?:je suis )?desolee?\b|\bje ne (?:peux|sais|connais|reconnais|dispose|suis pas (?:sur|en mesure|capable))\b"
    # German
    r"|\btut mir leid\b"
    r"|\b(?:ich|wir) (?:kann|konnen|darf|weiss|kenne|habe|mochte) (?:\w+,? ){0,5}?(?:nicht|keine?|nichts)\b"
    r"|\b(?:dazu|daruber|das) (?:kann|darf|weiss) ich (?:\w+ ){0,3}?(?:nicht|keine?|nichts)\b"
    # Portuguese and Italian
    r"|\b(?:nao|non) (?:sei|posso|tenho|so|conosco|riconosco|sono in grado|consigo)\b|\bmi dispiace\b|\bsinto muito\b"
    # Dutch
    r"|\bhet spijt me\b|\bik (?:weet|kan|ken) (?:\w+ ){0,3}?(?:niet|geen)\b"
    # Russian
    "|извините|к сожалению|(?:я )?не (?:знаю|могу|уверен)"
)


def refusal(text: str) -> str:
    """The words by which the text declines or admits not knowing, or "" where it does neither."""
    folded = fold(text).casefold()
    # Markdown's stars would part words; line breaks become spaces.
    line = " ".join(folded.replace("*", "").split())
    found = _first_match(line)
    if found is None:
        return ""
    return found.group().strip(" .!?:,")


def _first_match(line: str) -> re.Match[str] | None:
    # From the plainest to the least certain, so that the words quoted are the plainest.
    for pattern in (_SORRY, _PERSON, _OPENING):
        found = pattern.search(line)
        if found:
            return found
    for impersonal in _IMPERSONAL:
        if any(sign in line for sign in impersonal.signs):
            found = impersonal.pattern.search(line)
            if found:
                return found
    return _OTHER_LANGUAGES.search(line)
