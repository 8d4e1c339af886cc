"""Real text of many languages is never taken for garbage; broken encodings are."""

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.plausible import is_garbage

# Article 1 of the Universal Declaration of Human Rights, as published by the United Nations.
REAL = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with "
    "reason and conscience and should act towards one another in a spirit of brotherhood.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft "
    "und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués "
    "de raison et de conscience et doivent agir les uns envers les autres dans un esprit de "
    "fraternité.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni "
    "obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni "
    "rozumem a svědomím a mají spolu jednat v duchu bratrství.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on "
    "annettu järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, "
    "ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy "
    "viseltessenek.",
    "cy": "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir â "
    "rheswm a chydwybod, a dylai pawb ymddwyn y naill at y llall mewn ysbryd cymodlon.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con "
    "người đều được tạo hoá ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình "
    "anh em.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana "
    "sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены "
    "разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені "
    "розумом і совістю і повинні діяти у відношенні один до одного в дусі братерства.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. "
    "Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με "
    "πνεύμα αδελφοσύνης.",
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا وعليهم أن "
    "يعامل بعضهم بعضًا بروح الإخاء.",
    "fa": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای عقل "
    "و وجدان می‌باشند و باید نسبت به یکدیگر با روح برادری رفتار کنند.",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך "
    "חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "zh-Hant": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，"
    "並應以兄弟關係的精神相對待。",
    "ja": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 "
    "이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม "
    "และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "code": "def main(argv): for x in range(10): print(x); if not x: return None; import sys, os; "
    "class Foo(Bar): pass; struct ctx *ptr = malloc(sizeof(int)); strncpy(dst, src, len);",
    "invoice": "Invoice 2026-0042 IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX VAT DE123456789 "
    "Qty 12 pcs SKU XJ-2000-B/4 EUR 1,234.50 net 19% total 1,469.06 due 2026-12-24",
    "mixed": "この契約書は株式会社サイバーエージェントとCyberAgentLMのAPIに関するNDAです。"
    "AI・LLMの利用条件。",
    "math": "where κ(D′) ∈ S and Pr[κ(D)=y] ≤ exp(ϵ) for α, β, γ with ∑xᵢ² < δ and λ₁ ≥ μ ⊂ Ω",
    "unspaced": "•معاملاإلرتباطcorrelationcoeficientهومؤشرالمتغيرXالمتغيرYويسمىبالمتغير",
    "labels": "www.example.com and www.example.org\n" * 30,
    "hyphens": "- - - . . . . . . . . . 12 . . . . . . . . . . . 13 . . . . . . . . . . . 14",
}


@pytest.mark.parametrize("language", REAL)
def test_real_text_is_no_garbage(language: str) -> None:
    assert not is_garbage(REAL[language])
    assert not is_garbage(REAL[language].upper())


@pytest.mark.parametrize(("language", "codec"), [
    ("ru", "cp1251"), ("ru", "koi8-r"), ("uk", "cp1251"), ("el", "cp1253"), ("he", "cp1255"),
    ("zh", "gb18030"), ("zh-Hant", "big5"), ("ja", "shift_jis"), ("ko", "euc_kr"),
])  # fmt: skip
def test_bytes_of_one_encoding_read_as_another_are_garbage(language: str, codec: str) -> None:
    assert is_garbage(REAL[language].encode(codec, "ignore").decode("latin-1"))


def test_codes_of_a_subset_font_read_as_ascii_are_garbage() -> None:
    # glyphs numbered in the order of a usual font begin at 3 for the space: 29 below ASCII
    assert is_garbage("".join(chr(ord(letter) - 29) for letter in REAL["en"]))


def found_exchanges(text: str) -> int:
    """Of twenty random exchanges of the letters of a text, how many are noticed."""
    text = text.casefold()
    letters = sorted({letter for letter in text if letter.isalpha()})
    orders = [random.Random(seed).sample(letters, len(letters)) for seed in range(20)]
    tables = [dict(zip(map(ord, letters), order, strict=True)) for order in orders]
    return sum(is_garbage(text.translate(table)) for table in tables)


@pytest.mark.parametrize(
    "languages", [("en", "fr"), ("de", "fi"), ("pl", "cs", "hu"), ("ru", "uk"), ("ar", "fa")]
)
def test_letters_exchanged_at_random_are_garbage(languages: tuple[str, ...]) -> None:
    # an exchange that happens to keep the frequent letters frequent may pass
    assert found_exchanges(" ".join(REAL[language] for language in languages)) >= 12


@pytest.mark.parametrize(("first", "last"), [(0x4E00, 0x9FFF), (0xAC00, 0xD7A3)])
def test_characters_taken_from_a_block_at_random_are_garbage(first: int, last: int) -> None:
    chance = random.Random(4)
    assert is_garbage("".join(chr(chance.randint(first, last)) for _ in range(80)))


def test_glyphs_without_a_character_are_garbage() -> None:
    assert is_garbage("\ufffd\ufffd\ufffd a word \ufffd\ufffd")
    assert is_garbage("\ue012\ue013 \ue014\ue015")
    assert is_garbage("\x01\x02\x03\x04 \x05\x06")
    assert not is_garbage("one bad character \ufffd among many good ones")


def test_alphabets_mixed_within_words_are_garbage() -> None:
    assert is_garbage("аbсdеf gһіjк lмnоp qгsтu vшxуz абcдeф ghиjкл mнoпqр")


@given(st.text(max_size=29))
def test_a_short_text_is_only_judged_by_characters_that_have_no_name(text: str) -> None:
    named = "".join(sign for sign in text if sign.isprintable() and sign != "\ufffd")
    assert not is_garbage(named)


@pytest.mark.skipif("PAGEMILL_EVAL_DATA" not in os.environ, reason="needs PAGEMILL_EVAL_DATA")
def test_no_page_of_the_evaluation_texts_is_garbage() -> None:
    data = Path(os.environ["PAGEMILL_EVAL_DATA"])
    alarms = []
    for labels in sorted(data.glob("*/pages.jsonl")):
        for line in labels.read_text().splitlines():
            row = json.loads(line)
            chunks = [row["text"][at : at + 500] for at in range(0, len(row["text"]), 500)]
            alarms += [(row["file"], chunk) for chunk in chunks if is_garbage(chunk)]
    assert alarms == []
