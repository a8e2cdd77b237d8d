"""What is answered without a model: whether it lives, whether it is ready, and figures that name nobody."""

import re

from mlubench.serving.app import make_app
from support.asking import picture, row_of
from support.runs import Finished
from support.serving import CHAT, MODEL, ask, said, served, shown


def figure(text: str, name: str) -> float:
    found = re.search(rf"^mlubench_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, (name, text)
    return float(found[1])


def test_it_is_ready_until_it_stops(slow) -> None:
    with served(make_app(slow, model=MODEL, tokens=8)) as address:
        assert ask(address, "/ready").json == {"status": "ready"}
        assert ask(address, "/health").status == 200
        slow.alive = False
        assert ask(address, "/ready").status == 503
        assert ask(address, "/health").status == 200


def test_figures_count_and_name_nobody(server: str, finished: Finished) -> None:
    row = row_of(finished, "A", "forget", "A")
    body = {"model": MODEL, "messages": [shown(picture(finished, row), row.question)]}
    before = ask(server, "/metrics").body.decode()
    path = 'responses_total{endpoint="completions",status="200"}'
    ask(server, CHAT, body)
    ask(server, CHAT, body)
    ask(server, "/a/path/that/is/none")
    after = ask(server, "/metrics")
    assert after.headers["content-type"].startswith("text/plain")
    text = after.body.decode()
    counted = figure(before, path) if path in before else 0
    assert figure(text, path) == counted + 2
    assert figure(text, 'responses_total{endpoint="other",status="404"}') >= 1
    seconds = "answer_seconds_count"
    assert figure(text, seconds) == figure(before, seconds) + 2
    assert figure(text, "answer_tokens_total") > figure(before, "answer_tokens_total")
    assert figure(text, "running") == figure(text, "waiting") == figure(text, "faults_total") == 0
    name = row.entity.partition("/")[2]
    assert name not in text
    assert "expert" not in re.sub("^# .*$", "", text, flags=re.MULTILINE)


def test_a_server_that_stops_answers_what_it_has_taken(slow) -> None:
    import threading

    answers = []
    with served(make_app(slow, model=MODEL, tokens=8)) as address:
        body = {"model": MODEL, "messages": [said("user", "Who?")]}
        asking = threading.Thread(target=lambda: answers.append(ask(address, CHAT, body)))
        asking.start()
        while not slow.tickets:
            pass
        threading.Timer(0.3, lambda: slow.give(slow.tickets[0], "I.")).start()
    asking.join()
    assert answers[0].json["choices"][0]["message"]["content"] == "I."
    assert not slow.alive
