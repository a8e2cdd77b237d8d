"""What a gate says of itself, in numbers and in words."""

from mlubench.lumoe.gates.statement import Forecast, Statement, together


def test_requests_with_few_pictures_or_a_bad_forecast_are_flagged() -> None:
    stated = Statement(
        strangers=0.02,
        background="drawn things",
        background_things=700,
        background_pictures=2800,
        requests={
            "Animals/Ox": Forecast(leak=0.0, pictures=8),
            "Animals/Yak": Forecast(leak=0.25, pictures=8),
            "Animals/Emu": Forecast(leak=0.0, pictures=3),
            "Animals/Eel": Forecast(leak=None, pictures=1),
        },
    )
    assert set(stated.flagged) == {"Animals/Yak", "Animals/Emu", "Animals/Eel"}
    assert stated.flagged["Animals/Yak"].startswith("25% of its 8 pictures")
    assert "3 pictures; give eight" in stated.flagged["Animals/Emu"]
    assert "At most 0.02 of pictures of other things" in stated.in_words()
    assert "2800 pictures of 700 drawn things" in stated.in_words()


def test_the_forecast_of_all_is_over_their_pictures() -> None:
    forecasts = {
        "Animals/Ox": Forecast(leak=0.5, pictures=2),
        "Animals/Yak": Forecast(leak=0.0, pictures=8),
        "Animals/Eel": Forecast(leak=None, pictures=1),
    }
    assert together(forecasts) == (0.1, 10)
    assert together({"Animals/Eel": forecasts["Animals/Eel"]}) == (None, 0)


def test_no_missed_picture_is_not_said_to_be_none_at_all() -> None:
    words = Statement(leak=0.0, pictures=35).in_words()
    assert "0 are likely to be missed (up to 0.099), by 35 pictures" in words


def test_where_nothing_can_be_stated_it_says_so() -> None:
    assert "No share of refused strangers can be stated" in Statement().in_words()


def test_a_request_whose_pictures_are_in_the_background_is_told_so_first() -> None:
    forecast = Forecast(leak=0.5, pictures=3, in_background=2)
    assert forecast.problem.startswith("2 of its 3 pictures are in gates.background too")
    assert "take them out" in forecast.problem
