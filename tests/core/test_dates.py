"""Relative dates, counted from when they were said; and that ordinary words are none."""

import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from core.ordinary_sentences import SENTENCES
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations.pipeline.dates.resolve import MAX_TEXT, resolve, with_dates

SAID_AT = datetime(2026, 5, 13, 12, 30, tzinfo=UTC)  # a Wednesday

# What was said: the phrase found in it, what it means
ENGLISH = """
I saw her yesterday. | yesterday | 2026-05-12
YESTERDAY WAS GREAT | YESTERDAY | 2026-05-12
yesterday morning I ran | yesterday morning | 2026-05-12
It is yesterday's news | yesterday | 2026-05-12
We met the day before yesterday | the day before yesterday | 2026-05-11
I leave the day after tomorrow | the day after tomorrow | 2026-05-15
This morning I had tea | This morning | 2026-05-13
Tonight we dance | Tonight | 2026-05-13
I could not sleep last night | last night | 2026-05-12
tomorrow at 5 we meet | tomorrow | 2026-05-14
tomorrow at 5pm we meet | tomorrow at 5pm | 2026-05-14T17:00
tomorrow at 12:15 a.m. it starts | tomorrow at 12:15 a.m. | 2026-05-14T00:15
I called today at 17:30 | today at 17:30 | 2026-05-13T17:30
tomorrow at 25:00 | tomorrow | 2026-05-14
Two weeks ago I quit | Two weeks ago | 2026-04-27/2026-05-03
I quit 3 days ago | 3 days ago | 2026-05-10
a couple of months ago I moved | a couple of months ago | 2026-03
I was there about ten years ago | ten years ago | 2016
a year ago | a year ago | 2025
15 months ago | 15 months ago | 2025-02
an hour ago | an hour ago | 2026-05-13T11:00
20 minutes ago | 20 minutes ago | 2026-05-13T12:10
3 years back we met | 3 years back | 2023
I'll be back in two days | in two days | 2026-05-15
We are leaving in three weeks | in three weeks | 2026-06-01/2026-06-07
She is going to retire in 2 years | in 2 years | 2028
10 days from now | 10 days from now | 2026-05-23
in a couple of weeks' time | in a couple of weeks' time | 2026-05-25/2026-05-31
We met last May in Rome | last May | 2025-05
It was cold last January | last January | 2026-01
next March we marry | next March | 2027-03
this October I turn 40 | this October | 2026-10
the book came out in March | in March | 2026-03
We will marry in August | in August | 2026-08
I will move in March | in March | 2027-03
I moved in June | in June | 2025-06
next Friday we fly | next Friday | 2026-05-15
I see the doctor this Friday | this Friday | 2026-05-15
I see the doctor this Wednesday | this Wednesday | 2026-05-13
next Wednesday is the day | next Wednesday | 2026-05-20
last Tuesday I fell | last Tuesday | 2026-05-12
last Wednesday I fell | last Wednesday | 2026-05-06
I met her on Monday | on Monday | 2026-05-11
We will meet on Monday | on Monday | 2026-05-18
I fell on Sunday. I will call on Friday. | on Sunday | 2026-05-10
Monday of next week | Monday of next week | 2026-05-18
We saw it on Friday last week | on Friday last week | 2026-05-08
last week I was ill | last week | 2026-05-04/2026-05-10
next week's meeting | next week | 2026-05-18/2026-05-24
I met her last week | last week | 2026-05-04/2026-05-10
the week before last I was ill | the week before last | 2026-04-27/2026-05-03
last weekend we hiked | last weekend | 2026-05-09/2026-05-10
this weekend we hike | this weekend | 2026-05-16/2026-05-17
next weekend we hike | next weekend | 2026-05-23/2026-05-24
earlier this month | earlier this month | 2026-05
late last year she moved | late last year | 2025
next year | next year | 2027
In 2019 she moved | In 2019 | 2019
I have lived here since 2015. | since 2015 | 2015
"""

OTHERS = """
Gestern war ich im Kino | Gestern | 2026-05-12
Ich war vorgestern Abend bei dir | vorgestern Abend | 2026-05-11
morgen fahre ich mit dem Zug | morgen | 2026-05-14
Übermorgen kommt mein Bruder | Übermorgen | 2026-05-15
Wir sind vor drei Monaten umgezogen | vor drei Monaten | 2026-02
Vor einem Jahr habe ich das Haus gekauft | Vor einem Jahr | 2025
In zwei Wochen fliege ich mit dir nach Rom | In zwei Wochen | 2026-05-25/2026-05-31
Letzten Freitag war ich im Kino | Letzten Freitag | 2026-05-08
Ich bin nächste Woche in Wien | nächste Woche | 2026-05-18/2026-05-24
Ich habe seit 2019 nicht geraucht | seit 2019 | 2019
Ich war im letzten Mai in Rom und es war schön | letzten Mai | 2025-05
Hier j'ai vu le film | Hier | 2026-05-12
Je pars demain matin avec ma sœur | demain matin | 2026-05-14
J'ai déménagé il y a deux semaines | il y a deux semaines | 2026-04-27/2026-05-03
Je serai là dans trois jours | dans trois jours | 2026-05-16
Le mois dernier je suis allé à Lyon | Le mois dernier | 2026-04
Nous nous sommes vus lundi dernier | lundi dernier | 2026-05-11
Ayer fui al cine con mi madre | Ayer | 2026-05-12
Mañana voy a comer con mi madre | Mañana | 2026-05-14
Ayer por la mañana fui al cine | Ayer por la mañana | 2026-05-12
Me mudé hace dos años y no lo lamento | hace dos años | 2024
La semana pasada estuve en la playa | La semana pasada | 2026-05-04/2026-05-10
El próximo viernes es mi fiesta | El próximo viernes | 2026-05-15
Ontem eu fui ao cinema | Ontem | 2026-05-12
Depois de amanhã eu vou ao médico | Depois de amanhã | 2026-05-15
Eu me mudei há três meses para o Porto | há três meses | 2026-02
No ano passado eu morava em Braga com a minha avó | No ano passado | 2025
两天前我搬到了上海 | 两天前 | 2026-05-11
我昨天晚上去了医院 | 昨天晚上 | 2026-05-12
后天的会议取消了 | 后天 | 2026-05-15
上周五见过他 | 上周五 | 2026-05-08
下星期三我们出发 | 下星期三 | 2026-05-20
我十年前结婚了 | 十年前 | 2016
三个月后搬家 | 三个月后 | 2026-08
去年我在北京 | 去年 | 2025
她2019年毕业 | 2019年 | 2019
昨日東京に行った | 昨日 | 2026-05-12
先週の金曜日に会いました | 先週の金曜日 | 2026-05-08
3年前に引っ越した | 3年前 | 2023
来月パリへ行く | 来月 | 2026-06
おととい映画を見た | おととい | 2026-05-11
2週間前に始めた | 2週間前 | 2026-04-27/2026-05-03
"""

OPEN = """
I was there a few days ago
last summer we sailed
Last Christmas I gave you my heart
on Friday there is cake
in March it rains
I wrote it in two days
I went there in may
more than 3 years ago
two and a half years ago
a year and a half ago
99999999 years ago
9999 years ago
I was there in May 2020
We met on Monday 4 May
the last week of May
the year before the war
I was born on a Friday

"""


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


@pytest.mark.parametrize(("text", "phrase", "iso"), rows(ENGLISH) + rows(OTHERS))
def test_a_phrase_means_a_date(text: str, phrase: str, iso: str) -> None:
    span = resolve(text, SAID_AT)[0]
    assert (span.phrase, span.iso) == (phrase, iso)
    assert text[span.start : span.end] == phrase


@pytest.mark.parametrize("text", SENTENCES.strip().splitlines())
def test_ordinary_sentences_name_no_date(text: str) -> None:
    assert resolve(text, SAID_AT) == []


@pytest.mark.parametrize("text", [row[0] for row in rows(OPEN)])
def test_what_does_not_say_one_date_stays_open(text: str) -> None:
    assert resolve(text, SAID_AT) == []


def test_there_are_enough_ordinary_sentences() -> None:
    assert len(set(SENTENCES.strip().splitlines())) >= 200


@given(st.lists(st.sampled_from(SENTENCES.strip().splitlines()), min_size=2, max_size=6), st.datetimes(timezones=st.just(UTC)))
def test_ordinary_sentences_name_no_date_together_either(sentences: list[str], said_at: datetime) -> None:
    assert resolve("\n".join(sentences), said_at) == []


@pytest.mark.parametrize(
    ("text", "precision"),
    [("an hour ago", "hour"), ("5 minutes ago", "minute"), ("today", "day"), ("last week", "week"), ("last weekend", "weekend"),
     ("last May", "month"), ("next year", "year"), ("today at 3:15 pm", "minute")],
)  # fmt: skip
def test_a_date_is_as_exact_as_the_words(text: str, precision: str) -> None:
    assert resolve(text, SAID_AT)[0].precision == precision


def test_several_dates_are_found_in_order_and_apart() -> None:
    spans = resolve("Yesterday I quit, two weeks ago I knew; the day after tomorrow we fly. Last May I was here.", SAID_AT)
    assert [span.iso for span in spans] == ["2026-05-12", "2026-04-27/2026-05-03", "2026-05-15", "2025-05"]
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_a_sentence_tells_the_tense_of_its_own_dates_only() -> None:
    spans = resolve("I fell on Sunday. I will call on Friday.", SAID_AT)
    assert [span.iso for span in spans] == ["2026-05-10", "2026-05-15"]


def test_the_day_is_the_speakers() -> None:
    late = datetime(2026, 5, 13, 23, 30, tzinfo=UTC)
    assert resolve("today", late)[0].iso == "2026-05-13"
    assert resolve("today", late, ZoneInfo("Asia/Tokyo"))[0].iso == "2026-05-14"
    assert resolve("today", late.astimezone(timezone(timedelta(hours=2))))[0].iso == "2026-05-14"


def test_years_and_months_end_where_the_calendar_does() -> None:
    assert resolve("next month", datetime(2026, 12, 31, tzinfo=UTC))[0].iso == "2027-01"
    assert resolve("last month", datetime(2026, 1, 31, tzinfo=UTC))[0].iso == "2025-12"
    assert resolve("yesterday", datetime(2024, 3, 1, tzinfo=UTC))[0].iso == "2024-02-29"
    assert resolve("yesterday", datetime.min.replace(tzinfo=UTC)) == []
    assert resolve("next week and next month and next year", datetime(9999, 12, 31, tzinfo=UTC)) == []


def test_languages_are_not_taken_for_each_other() -> None:
    assert resolve("Ich bin hier und es ist gut", SAID_AT) == []
    assert resolve("A. J. Ayer wrote the book in Oxford", SAID_AT) == []
    assert resolve("The demain is a wine of the region", SAID_AT) == []
    assert resolve("Monsieur Demain est dans le jardin avec la maire", SAID_AT) != []  # a name that only its capital tells


def test_dates_are_written_behind_their_phrases() -> None:
    text = "Ana flew home yesterday and starts next Friday."
    assert with_dates(text, SAID_AT) == "Ana flew home yesterday (2026-05-12) and starts next Friday (2026-05-15)."


@pytest.mark.parametrize("text", ["Ana lives in Porto", "In 2019 she moved", "Ana flew home yesterday (2026-05-12)", "昨天（2026-05-12）"])
def test_a_text_that_says_its_dates_stays_as_it_is(text: str) -> None:
    assert with_dates(text, SAID_AT) == text


@given(st.text(max_size=200), st.datetimes(timezones=st.just(UTC)))
def test_any_text_at_any_time_is_read_without_complaint(text: str, said_at: datetime) -> None:
    for span in resolve(text, said_at):
        assert text[span.start : span.end] == span.phrase


@pytest.mark.parametrize(
    "part", ["last ", "in 2 ", "1234567890 ", "yesterday ", "a couple of ", "the ", "on Monday ", "我上", " " * 40 + "ago"]
)
def test_a_long_text_costs_no_more_than_its_length(part: str) -> None:
    def seconds(size: int) -> float:
        started = time.perf_counter()
        resolve(part * (size // len(part)), SAID_AT)
        return time.perf_counter() - started

    seconds(100)  # patterns are compiled once
    assert seconds(MAX_TEXT) < 60 * seconds(MAX_TEXT // 8) + 2  # quadratic would be 64 times, and seconds
