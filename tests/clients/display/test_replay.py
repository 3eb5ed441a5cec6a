from dfd.clients.display.replay import short_names


def test_a_unique_file_name_is_enough() -> None:
    paths = ["/calls/one.wav", "/calls/two.wav"]
    assert short_names(paths) == {"/calls/one.wav": "one.wav", "/calls/two.wav": "two.wav"}


def test_files_of_the_same_name_keep_their_folders() -> None:
    paths = ["/monday/call.wav", "/tuesday/call.wav", "other.wav"]
    assert short_names(paths) == {
        "/monday/call.wav": "/monday/call.wav",
        "/tuesday/call.wav": "/tuesday/call.wav",
        "other.wav": "other.wav",
    }


def test_a_file_replayed_several_times_is_one_file() -> None:
    assert short_names(["/calls/one.wav"] * 3) == {"/calls/one.wav": "one.wav"}
