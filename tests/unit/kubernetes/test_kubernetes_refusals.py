"""A pod that the cluster refuses to make: what its controller said of it, as long as that is still so."""

from datetime import UTC, datetime, timedelta

from gateway.backends.kubernetes.refusals import Refusals
from gateway.cluster.objects import Event, Involved, Metadata, Pod
from gateway.core.observed import Instance
from gateway.wire.names import AdapterName, instance_name
from gateway.wire.resources import Phase

WEATHER = AdapterName("weather")
THEN = datetime(2026, 7, 1, tzinfo=UTC)
SENTENCE = 'pods "weather-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0'


def refused(uid: str = "set", seconds: int = 0, name: str = "weather.1", sentence: str = SENTENCE) -> Event:
    return Event(
        metadata=Metadata(name=name),
        involved_object=Involved(kind="StatefulSet", name="weather", uid=uid),
        reason="FailedCreate",
        message=f"create Pod weather-0 in StatefulSet weather failed error: {sentence}",
        last_timestamp=THEN + timedelta(seconds=seconds),
    )


def made(seconds: int) -> Pod:
    return Pod(metadata=Metadata(name="weather-0", creation_timestamp=THEN + timedelta(seconds=seconds)))


def there(*numbers: int) -> list[Instance]:
    return [Instance(name=instance_name(WEATHER, each), uid=str(each), phase=Phase.READY) for each in numbers]


def test_a_pod_that_is_refused_is_told_with_the_clusters_own_sentence() -> None:
    refusals = Refusals()
    assert refusals.heard(refused()) == WEATHER
    told = refusals.instance(WEATHER, [], wanted=1, uid="set")
    assert told is not None
    assert (told.name, told.phase, told.reason, told.message) == ("weather-0", Phase.FAILED, "FailedCreate", SENTENCE)


def test_the_first_that_is_missing_is_meant_and_none_where_all_are_there() -> None:
    refusals = Refusals()
    refusals.heard(refused())
    told = refusals.instance(WEATHER, there(0, 2), wanted=3, uid="set")
    assert told is not None
    assert told.name == "weather-1"
    assert refusals.instance(WEATHER, there(0, 1, 2), wanted=3, uid="set") is None


def test_what_was_said_of_an_earlier_one_or_before_the_last_pod_is_of_the_past() -> None:
    refusals = Refusals()
    refusals.heard(refused(uid="earlier"))
    assert refusals.instance(WEATHER, [], wanted=1, uid="set") is None
    refusals.heard(refused(seconds=1))
    refusals.made(WEATHER, made(2))
    assert refusals.instance(WEATHER, [], wanted=1, uid="set") is None
    refusals.heard(refused(seconds=3, sentence="again"))
    told = refusals.instance(WEATHER, [], wanted=1, uid="set")
    assert told is not None
    assert told.message == "again"


def test_an_event_that_the_cluster_has_forgotten_is_forgotten_and_an_older_one_changes_nothing() -> None:
    refusals = Refusals()
    refusals.heard(refused(seconds=5, name="weather.2", sentence="new"))
    refusals.heard(refused(seconds=1, name="weather.1", sentence="old"))
    refusals.forgotten(refused(name="weather.1"))
    told = refusals.instance(WEATHER, [], wanted=1, uid="set")
    assert told is not None
    assert told.message == "new"
    refusals.forgotten(refused(name="weather.2"))
    assert refusals.instance(WEATHER, [], wanted=1, uid="set") is None
