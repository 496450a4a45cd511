"""How people decline in several languages: patterns for one sentence in lower case, with straight apostrophes.

Each pattern joins the speaker, an inability or unwillingness, and a thing that assistants are asked for. Beside it
stands what no match can be without: to look for a few words is far quicker than to try a pattern at every place.
"""

import re

import msgspec


class Decline(msgspec.Struct, frozen=True):
    """One way to decline: a pattern, and `needs`, of each group of which every match holds one."""

    pattern: re.Pattern[str]
    needs: tuple[tuple[str, ...], ...] = ()


class Rules(msgspec.Struct, frozen=True):
    """One language: a sentence that `declines` and has no `excuses`, in a text that holds one of the `gates`."""

    language: str
    gates: tuple[str, ...]
    declines: tuple[Decline, ...]
    excuses: re.Pattern[str]


def _any(words: str) -> str:
    """Give the pattern for any of these words or word beginnings; an underscore stands for a space."""
    return "(?:" + "|".join(word.replace("_", " ") for word in words.split()) + ")"


def _decline(pattern: str, *needs: str) -> Decline:
    """Make one way to decline; each of `needs` holds words between bars."""
    return Decline(re.compile(pattern), tuple(tuple(words.split("|")) for words in needs))


def _after(word: str, words: str) -> str:
    """Give each of these words or word beginnings behind another word, between bars."""
    return "|".join(f"{word} {one.replace('_', ' ')}" for one in words.split())


def _rules(language: str, gates: tuple[str, ...], declines: list[Decline], excuses: list[str]) -> Rules:
    return Rules(language, gates, tuple(declines), re.compile("|".join(excuses)))


_EN_DO = _any(
    "assist help provid fulfil compl creat writ generat produc answer respond discuss shar offer giv recommend suggest "
    "advis support engag participat condon encourag promot endors satisf continu do_that do_this do_so carry_out "
    "tell_you teach facilitat enabl defend justif speculat reveal disclos guid instruct make_such make_jokes make_fun "
    "talk_about explain describe entertain indulg take_part proceed accommodat"
)
_EN_ABLE = (
    "able", "allowed", "permitted", "authorized", "authorised", "comfortable", "willing", "prepared", "going",
    "designed", "programmed", "at liberty",
)  # fmt: skip
_EN_UNABLE = r"(?:\w+ )?(?:unable|not (?:" + "|".join(_EN_ABLE) + "))"
_EN_NOT = rf"(?:cannot|can not|can't|will not|won't|must not|mustn't|(?:am|are) {_EN_UNABLE}|(?:'m|'re) {_EN_UNABLE})"
_EN_GOOD = _any(
    "appropriate ethical acceptable okay ok right respectful responsible legal safe accurate fair productive healthy "
    "proper advisable moral"
)
_EN_ASKED = _any(
    "provide discuss encourage promote give share offer suggest make_jokes make_such make_a_blanket make_general "
    "make_fun engage ask create generate assist seek support speculate recommend say write answer"
)

ENGLISH = _rules(
    "en",
    ("not ", "n't ", "unable", "declin", "refus", "against", "never "),
    [
        _decline(
            rf"\b(?:i|we)(?: \w+ly| also| really| just)? ?{_EN_NOT}"
            rf"(?: \w+ly)?(?: to| with| in)?(?: \w+){{0,2}}? {_EN_DO}",
            f"cannot|can not|can't|will not|won't|must not|mustn't|unable|not {'|not '.join(_EN_ABLE)}",
        ),
        _decline(
            r"\b(?:i|we)(?: must| have to| need to| will| would|'ll|'d)?(?: \w+ly)? (?:decline|refuse)\b",
            "decline|refuse",
        ),
        _decline(
            r"\b(?:i'd|i would) rather not\b|\bnot something (?:that )?i(?: can|'m able| am able|'m willing)",
            "rather not|not something ",
        ),
        _decline(
            r"\b(?:against|violat\w+|outside|not within|contrary to) (?:\w+ )?(?:my|our) (?:\w+ )?"
            + _any("guidelines programming polic principles values ethic purpose"),
            "against |violat|outside |not within |contrary to ",
            "my |our ",
        ),
        _decline(
            rf"\bit(?:'s| is| would be| would) (?:not|never|neither|not be) (?:\w+ly )?{_EN_GOOD}"
            rf"(?:,? (?:or|and|nor) {_EN_GOOD})*,? (?:for me )?to (?:\w+ly )?{_EN_ASKED}",
            "it's n|it is n|it would be n|it would n",
            "to ",
        ),
        _decline(
            rf"\bi don't (?:think|believe) (?:that )?it(?:'s| is) {_EN_GOOD}",
            "i don't think |i don't believe ",
        ),
    ],
    [
        r"\b(?:while|although|though|even if|if) (?:i|we)\b",
        r"\bcan(?:'t|not) " + _any("wait help_but stress thank emphasize emphasise say_enough believe"),
        r"\brecommend (?:\w+ )?(?:enough|highly)\b",
    ],
)

_DE_DO = r"\w*" + _any(
    "helfen unterstützen beantworten bereitstellen geben erstellen schreiben liefern anbieten nachkommen teilen "
    "erfüllen mitmachen erklären erteilen behilflich führen tun"
)
GERMAN = _rules(
    "de",
    ("ich ", " mir "),
    [
        _decline(
            r"\b(?:ich (?:kann|darf|werde|möchte|will)|(?:kann|darf|werde|möchte|will) ich)\b"
            rf"[^.!?]{{0,80}}\b(?:nicht|kein\w*)\b[^.!?]{{0,80}}\b{_DE_DO}\b",
            "nicht|kein",
            "kann|darf|werde|möchte|will",
        ),
        _decline(r"\bich (?:bin|sehe mich) (?:leider )?nicht (?:in der lage|befugt|berechtigt|imstande)", "nicht "),
        _decline(
            r"\b(?:muss ich|ich muss) (?:\w+ ){0,4}ablehnen|\bich lehne (?:\w+ ){0,4}ab\b|\bich weigere mich",
            "ablehnen|ich lehne |ich weigere ",
        ),
        _decline(r"\bist (?:es )?mir (?:leider )?nicht (?:möglich|erlaubt|gestattet)", "mir ", "nicht "),
    ],
    [r"\b(?:obwohl|auch wenn|zwar) ich\b|\bkann ich zwar\b"],
)

_FR_DO = r"\w*" + _any(
    "aider fournir répondre donner créer écrire assister partager proposer faire accompagner expliquer satisfaire "
    "poursuivre traiter générer rédiger conseiller en_mesure autorisé autorisée habilité habilitée"
)
FRENCH = _rules(
    "fr",
    ("je ", "m'est"),
    [
        _decline(
            rf"\bje ne (?:peux|puis|vais|saurais|souhaite|pourrai|suis)(?: \w+ment)? pas\b[^.!?]{{0,60}}\b{_FR_DO}\b",
            "je ne ",
            " pas",
        ),
        _decline(
            r"\bje (?:dois|préfère)(?: \w+ment)? (?:décliner|refuser|ne pas)\b|\bje (?:refuse|décline)\b",
            "je dois|je préfère|je refuse|je décline",
        ),
        _decline(r"\bil (?:ne )?m'est (?:pas possible|impossible)\b", "m'est "),
    ],
    [r"\b(?:bien que|même si) je\b"],
)

_ES_CANNOT = (
    "puedo podemos podré voy_a debo quiero estoy_autorizado_a estoy_autorizada_a estoy_autorizado_para "
    "estoy_autorizada_para estoy_en_condiciones_de soy_capaz_de me_es_posible me_está_permitido"
)
_ES_DO = _any(
    "ayudar proporcionar responder dar crear escribir ofrecer compartir facilitar cumplir hacer generar explicar "
    "brindar asistir continuar hablar redactar atender"
)
SPANISH = _rules(
    "es",
    ("no ", "negarme", "rechazar", "niego"),
    [
        _decline(rf"\bno {_any(_ES_CANNOT)}(?: \w+mente)? \w*{_ES_DO}\w*", _after("no", _ES_CANNOT)),
        _decline(
            r"\b(?:debo|tengo que|prefiero) (?:rechazar|negarme|declinar|no )|\bme niego a\b",
            "debo |tengo que |prefiero |me niego a",
        ),
    ],
    [r"\baunque no\b"],
)

_IT_CANNOT = (
    "posso possiamo potrò intendo sono_in_grado_di sono_autorizzato_a sono_autorizzata_a mi_è_possibile "
    "mi_è_consentito mi_è_permesso"
)
_IT_DO = _any(
    "aiutar fornir risponder dar crear scriver offrir condivider soddisfar assister spiegar generar continuar "
    "procedere farlo redigere accontentar"
)
ITALIAN = _rules(
    "it",
    ("non ", "rifiut"),
    [
        _decline(rf"\bnon {_any(_IT_CANNOT)}(?: \w+mente)? {_IT_DO}\w*", _after("non", _IT_CANNOT)),
        _decline(
            r"\b(?:devo|preferisco) (?:\w+mente )?(?:rifiutare|declinare|non )|\bmi rifiuto di\b",
            "devo |preferisco |mi rifiuto di",
        ),
    ],
    [r"\b(?:anche se|sebbene|benché) non\b"],
)

_PT_CANNOT = (
    "posso podemos poderei consigo vou devo estou_autorizado_a estou_autorizada_a sou_capaz_de me_é_possível "
    "me_é_permitido"
)
_PT_DO = _any(
    "ajudar auxiliar fornecer responder dar criar escrever oferecer compartilhar partilhar atender fazer gerar "
    "explicar prestar continuar falar redigir cumprir apoiar"
)
PORTUGUESE = _rules(
    "pt",
    ("não ", "recus"),
    [
        _decline(rf"\bnão {_any(_PT_CANNOT)}(?: \w+mente)? \w*{_PT_DO}\w*", _after("não", _PT_CANNOT)),
        _decline(
            r"\b(?:devo|tenho (?:de|que)|prefiro) (?:recusar|declinar|não )|\brecuso-me\b|\bme recuso a\b",
            "devo |tenho |prefiro |recuso-me|me recuso a",
        ),
    ],
    [r"\b(?:embora|mesmo que|ainda que) (?:eu )?não\b"],
)

JAPANESE = _rules(
    "ja",
    ("ません", "断り", "かねます"),
    [
        _decline(r"^(?:申し訳|すみません|恐れ入り).{0,60}(?:できません|かねます)"),
        _decline(r"^(?:それ|そのようなこと)はできません|お断り(?:し|いた)"),
        _decline(r"(?:お手伝い|お応え|お答え|提供|お教え)(?:すること)?(?:は|が)?できません"),
    ],
    [r"(?!)"],  # nothing excuses: the patterns are narrow enough
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, ITALIAN, PORTUGUESE, JAPANESE)
