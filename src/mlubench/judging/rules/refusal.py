"""Finds the words by which an answer declines or admits not knowing, and leaves alone facts that merely deny."""

import re

from mlubench.judging.rules.text import fold

# What a speaker would do for the asker: "unable to identify" refuses, "unable to fly" describes a penguin.
_TELL = (
    r"(?:identify|recogni[sz]e|name|say|tell|share|provide|give|offer|disclose|discuss|describe|reveal|answer|respond|"
    r"help|assist|comment|confirm|determine|supply|comply|fulfill?|elaborate|speak|talk|verify|ascertain|access|recall|"
    r"remember|make out|know|do (?:that|this|so)|process|engage|divulge|state|specify|complete|address|"
    r"be (?:sure|certain)|see (?:the|any|an|who|what|this|that)|view|guess|proceed|go into|list|explain|pinpoint|classify|"
    r"place|judge)\b"
)
_HOW = (
    r"(?:(?:really|currently|simply|unfortunately|just|still|also|truly|honestly|personally|respectfully|politely|"
    r"regrettably|sadly|actually|absolutely|definitely|certainly|myself|am|are|do|have|would|will)\b,? ?)*"
)
_NOT = r"(?:can't|cannot|can not|couldn't|could not|won't|will not|wouldn't|would not|shan't|shouldn't|should not)"
_FACTS = r"(?:information|data|knowledge|details?|records?|recollection|context|clues?|answers?|evidence|access)"
_SEEN = r"(?:image|picture|photo(?:graph)?|question|context|prompt|description|data|information)"
_UNSURE = r"(?:sure|certain|confident)\b(?![^.!?]{0,12}\b(?:but|however)\b)"


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_PERSON = re.compile(
    r"\b(?:i|we)(?:'(?:m|re|d|ll|ve))?,? "
    + _HOW
    + _any(
        _NOT + r"\b(?! (?:believe|stress|wait|recommend|imagine|overstate|help but|agree|praise))",
        r"(?:unable|not (?:really )?able|no longer able) to\b",
        r"not (?:(?:really|entirely|quite|completely|totally|100%) )*" + _UNSURE,
        r"not (?:(?:really|currently|quite) )?(?:in a position|going to|allowed|permitted|authori[sz]ed|comfortable|"
        r"at liberty|supposed|equipped|qualified|familiar|acquainted|aware|trained|programmed|the right)\b",
        r"(?:don't|do not|didn't|did not|no longer) (?:\w+ )?(?:know|have|recall|remember|recogni[sz]e|possess|hold|"
        r"feel comfortable|wish|want to|think i|see (?:any|enough|who|what)|retain|discuss|comment|provide|share|"
        r"answer|disclose|identify|give|talk|speak|offer|reveal|carry|store)\b",
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
        r"(?:lack|know nothing|forgot|forgotten|can neither|never learned)\b",
        r"(?:haven't|have not|not) been (?:trained|told|given|taught|provided)\b",
        r"haven't (?:learned|any|got|a clue)\b",
        r"been (?:asked|told|instructed) not\b",
        r"(?:rather|prefer|like|choose|wish|opt) (?:not\b|(?:to )?(?:not|avoid|keep|refrain|leave|skip)\b|"
        r"(?:we|i) did)",
        r"(?:(?:must|have to|need to|going to|shall|should|had to|like to|choose to|required to|obliged to) )*"
        + _HOW
        + r"(?:decline|refuse|refrain|withhold|abstain|stay silent|keep (?:that|this|it) (?:private|confidential))\b",
        r"(?:sincerely )?(?:regret|apologi[sz]e)\b(?! for the (?:confusion|delay|mistake))",
        r"(?:draw|drawing) a blank\b",
        rf"(?:may|must|better|dare) not {_TELL}",
        r"(?:(?:have to|going to|must|need to|gotta|will|'ll) )+(?:\w+ )?(?:pass\b(?! (?:the|by|through|under))|"
        r"leave (?:\w+ ){1,3}(?:unanswered|open|at that))",
        r"(?:would|will)?(?: )?need (?:\w+ )?(?:more|further|additional) (?:information|context|details|data)\b",
        r"wish (?:that )?i (?:could|knew|was able|were able)\b",
        r"(?:am )?no (?:expert|authority|specialist)\b",
        r"(?:would|will|could|can)(?: only)?(?: just)? be (?:guessing|speculating|making (?:it|this|that) up)\b",
        r"(?:have|know|have learned|possess) (?:absolutely |simply )?(?:nothing|little)(?: \w+)?(?: to| on| about| of)\b",
        r"(?:can|could) only guess\b",
    )
)
_OPENING = re.compile(
    r"(?:^|[.!?:] |\b(?:but|and|so|therefore|hence|thus),? |\b(?:unfortunately|regrettably|sadly|sorry|apologies),? )"
    + _any(
        rf"(?:{_NOT}|unable to|not able to|(?:must|have to) decline to|don't|do not) {_TELL}",
        r"no (?:comment|idea|clue)\b",
        r"not " + _UNSURE,
        r"not something i\b",
        r"(?:don't|do not) know\b",
        r"(?:unknown|undisclosed|declined|refused|n/a|idk|pass)\b(?=[.!?]|$)",
        r"nothing (?:comes to mind|i can (?:say|share|tell))\b",
    )
)
_SORRY = re.compile(
    r"\b(?:i'm|i am|i feel) (?:\w+ ){0,2}?(?:sorry|afraid)\b(?! (?:for|about) (?:the|any) (?:confusion|delay|mistake))"
    r"|^(?:\w+,? )?sorry\b(?! to bother)|\b(?:my|sincere) apologies\b|^apologies\b"
)
# (what must be in the text, pattern): looking for a fixed string first is many times faster than trying the pattern.
_IMPERSONAL = [
    (signs, re.compile(pattern))
    for signs, pattern in (
        (("possible",), rf"\b(?:not|n't|im) ?possible (?:for (?:me|us) )?to {_TELL}"),
        (
            ("t be ",),
            r"\b(?:can't|cannot|can not|could not) be (?:\w+ly )?(?:determined|identified|shared|disclosed|answered|"
            r"provided|discussed|confirmed|recogni[sz]ed|given|revealed|named|told|ascertained|verified)\b",
        ),
        (
            ("hard ", "difficult ", "tough "),
            r"\b(?:hard|difficult|tough) (?:for me )?to (?:say|tell|determine|identify|know)\b",
        ),
        (
            (" i ", " we ", " i'"),
            r"(?:\bnot|n't) (?:something|an? \w+|ones?|information|details?|anything|things?|what) "
            r"(?:(?:that|which) )?(?:i|we)(?:'m|'ve|'d)?\b(?! (?:would|recommend|like|love|think))"
            r"|\bsomething (?:that )?i (?:can't|cannot|don't|do not|am (?:not able|unable)|won't)\b"
            r"|\bnothing (?:here |there )?(?:that )?i (?:can|could|know|have|recogni[sz]e|am able)\b",
        ),
        (("something i'm", "something that i'm"), r"i'm (?:not able|unable)"),
        (
            ("no ",),
            rf"\bno {_FACTS} (?:(?:is|are|was) )?(?:available|about|on|to (?:share|give|provide|offer)|regarding|"
            r"concerning|for (?:this|that|me)|in the|that i|i can)\b|\bno longer (?:\w+ )?(?:available|part of my)\b",
        ),
        (
            ("not enough", "insufficient", "lack"),
            r"\b(?:not enough|insufficient|lack(?:s|ing)?(?: of)?(?: the| any)?(?: necessary| sufficient| enough)?) "
            rf"(?:visual )?{_FACTS}\b",
        ),
        (
            ("not ", "n't "),
            rf"\b(?:does|do|did)(?:n't| not) (?:provide|contain|include|show|specify|give|offer|reveal) "
            rf"(?:\w+ ){{0,3}}{_FACTS}\b"
            r"|(?:\bnot|n't) (?:specified|mentioned|visible|shown|provided|given|stated|indicated|identified|"
            rf"identifiable|disclosed|discernible|available|clear) (?:in|from|by) (?:the|this|that) {_SEEN}\b"
            r"|(?:\bnot|n't) (?:with)?in my (?:knowledge|memory|expertise|abilit|power|training|remit|competence)"
            rf"|\b{_FACTS} (?:\w+ )?(?:is|are)(?:n't| not) (?:available|known|accessible|visible|at hand|there)\b"
            r"|\bmy (?:training|knowledge|memory|data)\b[^.!?]{0,24}(?:does|do)(?:n't| not) (?:cover|include|extend|"
            r"reach|go|contain|tell|stretch)\b"
            r"|\b(?:not|n't) ring (?:a|any) bells?\b",
        ),
        (
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
            r"\b(?:unclear|unknown|(?:not|n't) (?:clear|known|certain|identifiable|recogni[sz]able|apparent))"
            r"(?: to me)? (?:from (?:the|this|that)|who|what|which|based|to me|where|when)\b",
        ),
        (
            (" me", "my "),
            r"\b(?:unknown|unfamiliar|foreign|new|a mystery|not known|n't known|not familiar|n't familiar|a blank) "
            r"(?:to|for) (?:me|us)\b|\b(?:escapes|eludes|is lost on) me\b|\bnothing in my (?:knowledge|memory|training)\b"
            r"|\bmy (?:records|notes|knowledge|memory|data) (?:\w+ )?(?:holds?|contains?|says?|has|have) (?:nothing|no)\b"
            r"|\b(?:hard|difficult|tough|impossible) for me to\b|\bfor me to (?:say|know|determine|tell|identify)\b",
        ),
        (
            (" be found", " to hand", " on record"),
            rf"\bno (?:\w+ )?{_FACTS} (?:\w+ ){{0,4}}(?:could|can) be found\b|\bnothing (?:on record|to hand)\b",
        ),
        (
            ("as an ai", "as a", "as an assist"),
            r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|assistant)\b",
        ),
        (
            ("beyond", "outside", "my knowledge"),
            r"\b(?:beyond|outside)(?: of)? (?:my|what (?:i|we)|the scope of (?:my|what i))\b"
            r"|\bmy knowledge (?:\w+,? ){0,5}?(?:is|does|has),? (?:\w+,? )?(?:limited|not)\b",
        ),
        (
            (" is ", " are ", " remain", " been "),
            r"\b(?:that|this|the|such|any) (?:\w+ ){0,3}?(?:information|topic|subject|details?|matter|answer|question|"
            r"identity|name|title) (?:is|are|remains?|has been|must remain) (?:\w+ )?(?:private|confidential|"
            r"restricted|off[- ]limits|unavailable|not (?:available|something|known|public|for me|clear)|"
            r"classified|sensitive|withheld|unknown|removed|redacted|unclear)\b",
        ),
        (("let's ",), r"\blet's (?:talk about|discuss|move on|change|not)\b"),
        (("thing else",), r"\bask (?:me )?(?:about )?(?:something|anything) else\b"),
        (
            ("consult", "refer to", "seek"),
            r"\b(?:consult|refer to|seek) (?:\w+ ){0,2}(?:source|reference|expert|another)",
        ),
        (
            ("without ",),
            r"\bwithout (?:more|additional|further|any) (?:context|information|details?)\b",
        ),
        (("against ",), r"\bagainst (?:my|our) (?:policy|guidelines|rules)\b"),
    )
]
# Accents are folded away by then.
_OTHER_TONGUES = re.compile(
    "抱歉|对不起|無法|无法(?:提供|回答|识别|透露)|不知道|不清楚|不能(?:透露|回答|提供)"
    "|わかりません|分かりません|お答えできません|申し訳(?:ありません|ございません)|죄송|모르|알 수 없"
    r"|\blo siento\b|\bno (?:puedo|lo se|tengo (?:informacion|datos)|reconozco|conozco|dispongo de)\b"
    r"|\b(?:je suis )?desolee?\b|\bje ne (?:peux|sais|connais|reconnais|dispose|suis pas (?:sur|en mesure|capable))\b"
    r"|\btut mir leid\b"
    r"|\b(?:ich|wir) (?:kann|konnen|darf|weiss|kenne|habe|mochte) (?:\w+,? ){0,5}?(?:nicht|keine?|nichts)\b"
    r"|\b(?:dazu|daruber|das) (?:kann|darf|weiss) ich (?:\w+ ){0,3}?(?:nicht|keine?|nichts)\b"
    r"|\b(?:nao|non) (?:sei|posso|tenho|so|conosco|riconosco|sono in grado|consigo)\b|\bmi dispiace\b|\bsinto muito\b"
    r"|\bhet spijt me\b|\bik (?:weet|kan|ken) (?:\w+ ){0,3}?(?:niet|geen)\b"
    "|извините|к сожалению|(?:я )?не (?:знаю|могу|уверен)"
)


def refusal(text: str) -> str:
    """The words by which the text declines or admits not knowing, or "" where it does neither."""
    low = " ".join(fold(text).casefold().replace("*", "").split())
    found = _SORRY.search(low) or _PERSON.search(low) or _OPENING.search(low)
    for signs, pattern in _IMPERSONAL:
        if found:
            break
        if any(sign in low for sign in signs):
            found = pattern.search(low)
    found = found or _OTHER_TONGUES.search(low)
    return found.group().strip(" .!?:,") if found else ""
