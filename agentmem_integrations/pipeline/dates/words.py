"""The words that relative dates are made of, language by language: data for `rules`.

Patterns are regular expressions that `rules` compiles without regard to case, between word boundaries. `{n}` stands for a number,
`{unit}` for a unit of time, `{day}` for a weekday, `{month}` for a month, each in that language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...models import Precision as Unit

Offset = tuple[int, Unit]


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """One language's words.

    Attributes:
        function_words: Frequent words that tell this language from the others.
        offsets: Phrases that mean a fixed distance: `yesterday`.
        numbers: Number words.
        units: Every form of each unit.
        ago: Phrases with a number, pointing back: `{n} {unit} ago`.
        ahead: Phrases with a number, pointing ahead whatever stands around them.
        ahead_if_future: The same, but they may as well be durations (`I wrote it in two days`): only where nothing around them
            speaks of the past.
        weekdays: Monday first.
        months: January first.
        last: Phrases that mean the latest weekday or month before now.
        next: Phrases that mean the first one after now.
        this: Phrases that mean the coming weekday, today included, or the month of this year.
        tensed: Phrases whose direction only the verbs around them tell: `on Friday`.
        years: Words before a number that make it a year.
        past: Verb forms that speak of the past.
        future: Verb forms that speak of the future.
    """

    function_words: str
    offsets: Mapping[str, Offset]
    numbers: Mapping[str, int]
    units: Mapping[str, Unit]
    ago: tuple[str, ...]
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    last: tuple[str, ...]
    next: tuple[str, ...]
    past: str
    future: str
    ahead: tuple[str, ...] = ()
    ahead_if_future: tuple[str, ...] = ()
    this: tuple[str, ...] = ()
    tensed: tuple[str, ...] = ()
    years: tuple[str, ...] = ()


ENGLISH: Final = Language(
    function_words="""the a an and or but of to in on at for with from by is are was were be been am have has had do did does will would
        can could i you he she it we they my your his her our their me him us them this that these those not so if as what who when
        today yesterday tomorrow tonight went there just about""",
    offsets={
        r"(?:the )?day before yesterday": (-2, "day"),
        r"(?:the )?day after tomorrow": (2, "day"),
        r"(?:early |late )?yesterday(?: morning| afternoon| evening| night)?": (-1, "day"),
        r"last night": (-1, "day"),
        r"(?:earlier |later )?today|tonight|this (?:morning|afternoon|evening)": (0, "day"),
        r"(?:early )?tomorrow(?: morning| afternoon| evening| night)?": (1, "day"),
        r"(?:last|(?:this )?past) weekend": (-1, "weekend"),
        r"this (?:coming )?weekend": (0, "weekend"),
        r"next weekend": (1, "weekend"),
        r"(?:the )?week before last": (-2, "week"),
        r"(?:the )?month before last": (-2, "month"),
        r"(?:the )?year before last": (-2, "year"),
        r"(?:the )?week after next": (2, "week"),
        r"(?:(?:earlier|late|later) )?last week": (-1, "week"),
        r"(?:(?:earlier|later) )?this week": (0, "week"),
        r"(?:early |late )?next week": (1, "week"),
        r"(?:(?:earlier|late|later) )?last month": (-1, "month"),
        r"(?:(?:earlier|later) )?this month": (0, "month"),
        r"(?:early |late )?next month": (1, "month"),
        r"(?:(?:earlier|late|later) )?last year": (-1, "year"),
        r"(?:(?:earlier|later) )?this year": (0, "year"),
        r"(?:early |late )?next year": (1, "year"),
    },
    numbers=dict(
        zip("one two three four five six seven eight nine ten eleven twelve".split(), range(1, 13), strict=True),
        **{"a": 1, "an": 1, "a couple of": 2, "a couple": 2, "fifteen": 15, "twenty": 20, "thirty": 30},
    ),
    units={"minutes?": "minute", "hours?": "hour", "days?": "day", "weeks?": "week", "months?": "month", "years?": "year"},
    ago=(r"{n} {unit} (?:ago|back)",),
    ahead=(r"{n} {unit} from (?:now|today)", r"in {n} {unit}['’] time"),
    ahead_if_future=(r"in {n} {unit}",),
    weekdays=tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()),
    months=tuple("January February March April May June July August September October November December".split()),
    last=(r"(?:this )?(?:last|past) (?:{day}|{month})", r"(?:on )?{day} (?:of )?last week", r"(?:in )?{month} (?:of )?last year"),
    next=(r"next (?:{day}|{month})", r"(?:on )?{day} (?:of )?next week", r"(?:in )?{month} (?:of )?next year"),
    this=(r"this (?:coming |upcoming )?(?:{day}|{month})",),
    tensed=(r"(?:on|since|until|by) {day}", r"(?:back )?in {month}"),
    years=(r"(?:back )?in", "since", "until", "during"),
    past=r"""was|were|did|had|went|met|saw|came|got|took|made|left|bought|sold|began|became|ate|flew|drove|ran|read|wrote|won|lost|
        found|gave|told|said|spent|kept|felt|broke|built|chose|fell|held|knew|paid|quit|sang|sat|slept|spoke|swam|taught|thought|wore|
        didn['’]t|wasn['’]t|hadn['’]t|[a-z]{2,}(?<!ne)(?<!spe)(?<!fe)(?<!see)ed""",
    future=r"""will|won['’]t|shall|going to|gonna|[a-z]+['’]ll|
        (?:am|is|are|[a-z]+['’](?:m|re|s)) (?:\w+ )?(?!going\b)\w+ing|due|see you|plans? to|planning|expects?|deadline|leaves?|starts?|
        arrives?|begins?|flies|opens?|expires?|let['’]s|remind|booked for|scheduled for""",
)

GERMAN: Final = Language(
    function_words="""der die das den dem ein eine einen einem und oder aber nicht ich du er sie es wir ihr ist bin war sind habe hat
        hatte haben mit von zu im in am auf für auch mein meine mich mir uns wird werde werden wie was wenn dass heute gestern vorgestern
        übermorgen""",
    offsets={
        r"vorgestern(?: abend| morgen| nacht)?": (-2, "day"),
        r"gestern(?: abend| morgen| nacht| früh| mittag| nachmittag)?|letzte nacht": (-1, "day"),
        r"heute(?: abend| morgen| nacht| früh| mittag| nachmittag| vormittag)?": (0, "day"),
        r"übermorgen": (2, "day"),
        # The noun, `am Morgen`, has a capital
        r"(?-i:morgen)(?: abend| früh| mittag| nachmittag| vormittag)?": (1, "day"),
        r"(?:letztes|vergangenes) wochenende": (-1, "weekend"),
        r"(?:nächstes|kommendes) wochenende": (1, "weekend"),
        r"(?:letzte|vorige|vergangene) woche": (-1, "week"),
        r"diese woche": (0, "week"),
        r"(?:nächste|kommende) woche": (1, "week"),
        r"(?:letzten|vorigen|vergangenen) monat": (-1, "month"),
        r"diesen monat": (0, "month"),
        r"(?:nächsten|kommenden) monat": (1, "month"),
        r"(?:letztes|voriges|vergangenes) jahr": (-1, "year"),
        r"dieses jahr": (0, "year"),
        r"(?:nächstes|kommendes) jahr": (1, "year"),
    },
    numbers=dict(
        zip("zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split(), range(2, 13), strict=True),
        einem=1,
        einer=1,
        ein=1,
        eine=1,
    ),
    units={"tag(?:en|e)?": "day", "wochen?": "week", "monat(?:en|e)?": "month", "jahr(?:en|e)?": "year", "stunden?": "hour"},
    ago=(r"vor {n} {unit}",),
    ahead_if_future=(r"in {n} {unit}",),
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag|Sonnabend", "Sonntag"),
    months=("Januar|Jänner", *"Februar März April Mai Juni Juli August September Oktober November Dezember".split()),
    last=(r"(?:letzten|vorigen|vergangenen) (?:{day}|{month})",),
    next=(r"(?:nächsten|kommenden) (?:{day}|{month})",),
    this=(r"diesen (?:{day}|{month})",),
    years=(r"im jahre?", "seit", "anno"),
    past=r"war|waren|hatte|hatten|wurde|habe|hast|hat|haben|ging|kam|ge\w+t|ge\w+en",
    future=r"werde|wird|werden",
)

FRENCH: Final = Language(
    function_words="""le la les un une des du de et ou mais ne pas je tu il elle nous vous ils on est suis sont était été ai as avons ont
        dans pour avec sur mon ma mes son sa ses ce cette qui que au aux j l d c n s m t qu aujourd hui chez""",
    offsets={
        r"avant-hier": (-2, "day"),
        r"hier(?: soir| matin| après-midi)?": (-1, "day"),
        r"aujourd['’]hui|ce matin|ce soir|cet après-midi": (0, "day"),
        r"après-demain": (2, "day"),
        r"demain(?: soir| matin| après-midi)?": (1, "day"),
        r"(?:le )?week-?end dernier": (-1, "weekend"),
        r"(?:le )?week-?end prochain": (1, "weekend"),
        r"(?:la )?semaine (?:dernière|passée)": (-1, "week"),
        r"cette semaine": (0, "week"),
        r"(?:la )?semaine prochaine": (1, "week"),
        r"(?:le )?mois (?:dernier|passé)": (-1, "month"),
        r"ce mois-ci": (0, "month"),
        r"(?:le )?mois prochain": (1, "month"),
        r"(?:l['’])?(?:an|année) (?:dernier|dernière|passée)": (-1, "year"),
        r"cette année": (0, "year"),
        r"(?:l['’])?(?:an|année) prochaine?": (1, "year"),
    },
    numbers=dict(zip("deux trois quatre cinq six sept huit neuf dix onze douze".split(), range(2, 13), strict=True), un=1, une=1),
    units={"jours?": "day", "semaines?": "week", "mois": "month", "ans?|années?": "year", "heures?": "hour"},
    ago=(r"il y a {n} {unit}",),
    ahead_if_future=(r"dans {n} {unit}",),
    weekdays=tuple("lundi mardi mercredi jeudi vendredi samedi dimanche".split()),
    months=tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()),
    last=(r"(?:{day} dernier|(?:en )?{month} dernier)",),
    next=(r"(?:{day} prochain|(?:en )?{month} prochain)",),
    years=("en", "depuis"),
    past=r"était|étaient|avait|(?:ai|as|a|avons|avez|ont|suis|est|sommes|sont) \w+(?:é|ée|és|ées|i|u|is|it)",
    future=r"vais|vas|va|allons|allez|vont",
)

SPANISH: Final = Language(
    function_words="""el la los las un una y o pero no de del en por para con que yo tú él ella nosotros mi mis tu su es son era fue ser
        estoy está he ha hay al lo le me te se nos muy más como cuando hoy ayer anoche fui""",
    offsets={
        r"anteayer|antes de ayer|antier": (-2, "day"),
        r"ayer(?: por la (?:mañana|tarde|noche))?|anoche": (-1, "day"),
        r"hoy(?! en día)|esta (?:mañana|tarde|noche)": (0, "day"),
        r"pasado mañana": (2, "day"),
        r"(?<!la )(?<!esta )(?<!una )(?<!cada )(?<!de )mañana(?: por la (?:mañana|tarde|noche))?": (1, "day"),
        r"(?:el )?fin de semana pasado": (-1, "weekend"),
        r"(?:el )?próximo fin de semana": (1, "weekend"),
        r"(?:la )?semana pasada": (-1, "week"),
        r"esta semana": (0, "week"),
        r"(?:la )?(?:próxima semana|semana que viene)": (1, "week"),
        r"(?:el )?mes pasado": (-1, "month"),
        r"este mes": (0, "month"),
        r"(?:el )?(?:próximo mes|mes que viene)": (1, "month"),
        r"(?:el )?año pasado": (-1, "year"),
        r"este año": (0, "year"),
        r"(?:el )?(?:próximo año|año que viene)": (1, "year"),
    },
    numbers=dict(zip("dos tres cuatro cinco seis siete ocho nueve diez once doce".split(), range(2, 13), strict=True), un=1, una=1),
    units={"días?": "day", "semanas?": "week", "mes(?:es)?": "month", "años?": "year", "horas?": "hour"},
    ago=(r"hace {n} {unit}",),
    ahead=(r"dentro de {n} {unit}",),
    ahead_if_future=(r"en {n} {unit}",),
    weekdays=tuple("lunes martes miércoles jueves viernes sábado domingo".split()),
    months=tuple("enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre".split()),
    last=(r"(?:el )?{day} pasado", r"(?:en )?{month} pasado"),
    next=(r"(?:el )?próximo (?:{day}|{month})", r"(?:el )?{day} que viene"),
    years=("en", "desde"),
    past=r"era|fue|fui|fueron|estaba|había|(?:he|ha|hemos|han) \w+(?:ado|ido)|\w+(?:aron|ieron|amos|imos|aste|é|ó|í)",
    future=r"voy a|va a|vamos a|van a",
)

PORTUGUESE: Final = Language(
    function_words="""o a os as um uma e ou mas não de do da dos das em no na nos nas por para com que eu você ele ela nós meu minha seu
        sua é são era foi ser estou está tenho tem há ao à se me mais muito como quando hoje ontem amanhã fui""",
    offsets={
        r"anteontem": (-2, "day"),
        r"ontem(?: à noite| à tarde| de manhã)?": (-1, "day"),
        r"hoje(?! em dia)(?: à noite| à tarde| de manhã)?|esta manhã|esta noite": (0, "day"),
        r"depois de amanhã": (2, "day"),
        r"amanhã(?: à noite| à tarde| de manhã)?": (1, "day"),
        r"(?:no )?fim de semana passado": (-1, "weekend"),
        r"(?:no )?próximo fim de semana": (1, "weekend"),
        r"(?:n?a )?semana passada": (-1, "week"),
        r"(?:n?esta )semana": (0, "week"),
        r"(?:n?a )?(?:próxima semana|semana que vem)": (1, "week"),
        r"(?:n?o )?mês passado": (-1, "month"),
        r"(?:n?este )mês": (0, "month"),
        r"(?:n?o )?(?:próximo mês|mês que vem)": (1, "month"),
        r"(?:n?o )?ano passado": (-1, "year"),
        r"(?:n?este )ano": (0, "year"),
        r"(?:n?o )?(?:próximo ano|ano que vem)": (1, "year"),
    },
    numbers=dict(zip("dois três quatro cinco seis sete oito nove dez onze doze".split(), range(2, 13), strict=True), duas=2, um=1, uma=1),
    units={"dias?": "day", "semanas?": "week", "mês|meses": "month", "anos?": "year", "horas?": "hour"},
    ago=(r"há {n} {unit}(?: atrás)?", r"{n} {unit} atrás"),
    ahead=(r"daqui a {n} {unit}",),
    ahead_if_future=(r"em {n} {unit}",),
    weekdays=tuple(
        f"{name}(?:-feira)?" if name not in ("sábado", "domingo") else name
        for name in "segunda terça quarta quinta sexta sábado domingo".split()
    ),
    months=tuple("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split()),
    last=(r"(?:n[ao] )?{day} passad[ao]", r"(?:em )?{month} passado"),
    next=(r"(?:n[ao] )?próxim[ao] {day}", r"(?:n[ao] )?{day} que vem", r"(?:no )?próximo {month}"),
    years=("em", "desde"),
    past=r"era|foi|fui|foram|estava|tinha|\w+(?:aram|eram|iram|amos|ei|ou)",
    future=r"vou|vai|vamos|vão",
)

LANGUAGES: Final = (ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE)

CJK_DIGITS: Final = {c: n for n, c in enumerate("〇一二三四五六七八九十")} | {"两": 2, "兩": 2}

# Chinese and Japanese write no spaces: the look-behinds keep `以前天天` (formerly, every day) from being `前天`
CJK_OFFSETS: Final[Mapping[str, Offset]] = {
    "大前天": (-3, "day"),
    "(?<![以之目先从])前天|一昨日|おととい": (-2, "day"),
    "昨天(?:晚上|早上|上午|下午)?|昨晚|昨日|昨夜|きのう": (-1, "day"),
    "今天(?:晚上|早上|上午|下午)?|今晚|今早|今日(?!子)|今朝|今夜": (0, "day"),
    "大后天": (3, "day"),
    "(?<![先以之])后天(?!性)|明後日|あさって": (2, "day"),
    "(?<![说證证表声发清透聪])明天(?:晚上|早上|上午|下午)?|明日(?!香)": (1, "day"),
    "(?<![以晚早])上(?:个)?(?:周|星期)(?![一二三四五六日天末])|先週(?!の?[月火水木金土日])": (-1, "week"),
    "(?:这|本)(?:个)?(?:周|星期)(?![一二三四五六日天末])|今週(?!の?[月火水木金土日])": (0, "week"),
    "(?<![以天])下(?:个)?(?:周|星期)(?![一二三四五六日天末])|来週(?!の?[月火水木金土日])": (1, "week"),
    "(?<![以晚早])上(?:个)?周末|先週末": (-1, "weekend"),
    "(?:这|本)(?:个)?周末|今週末": (0, "weekend"),
    "(?<![以天])下(?:个)?周末|来週末": (1, "weekend"),
    "上个?月(?!球)|先月": (-1, "month"),
    "这个月|本月|今月": (0, "month"),
    "(?<!天)下个?月|来月": (1, "month"),
    "(?<![以之目先从])前年|一昨年|おととし": (-2, "year"),
    "(?<![过失])去年|昨年": (-1, "year"),
    "今年": (0, "year"),
    "(?<![说證证表声发清透聪])明年|来年": (1, "year"),
    "再来年": (2, "year"),
}
CJK_UNITS: Final[Mapping[str, Unit]] = {
    "分钟|分": "minute", "(?:个)?小时|時間": "hour", "天|日": "day", "周|(?:个)?星期|個星期|週間": "week",
    "个月|個月|[かカヶケ]月|ヵ月": "month", "年": "year",
}  # fmt: skip
CJK_WEEKS: Final = {"上": -1, "这": 0, "本": 0, "下": 1, "先週": -1, "今週": 0, "来週": 1}
CJK_WEEKDAYS: Final = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6} | {
    c: n for n, c in enumerate("月火水木金土")
}
