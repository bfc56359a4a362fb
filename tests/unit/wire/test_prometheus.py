"""What a scraper reads."""

from gateway.wire.prometheus import family, single


def test_family_has_its_help_its_type_and_a_line_for_each_sample() -> None:
    assert list(
        family("calls_total", "counter", "Calls.", ({"way": "in", "era": "legacy"}, 2), ({"way": "out"}, 0.5))
    ) == [
        "# HELP calls_total Calls.",
        "# TYPE calls_total counter",
        'calls_total{way="in",era="legacy"} 2',
        'calls_total{way="out"} 0.5',
    ]


def test_family_that_has_one_number_only_has_no_labels() -> None:
    assert list(single("streams", "gauge", "Open streams.", 3))[-1] == "streams 3"


def test_no_text_ends_its_line_or_its_quotes() -> None:
    told, _, sample = family("calls", "gauge", 'a "b"\\\nc', ({"name": 'a "b"\\\nc'}, 1))
    assert told == r'# HELP calls a "b"\\\nc'
    assert sample == r'calls{name="a \"b\"\\\nc"} 1'
