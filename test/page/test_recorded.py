"""A recording on the desk: from marks to results, and to the file that `drift track` reads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from drift_ros.errors import PromptError, SourceError
from drift_ros.io.frames import open_source
from drift_ros.offline.tracking_run import TrackingRequest, TrackingRun
from drift_ros.page.cursor import Cursor
from drift_ros.page.draft import Draft
from drift_ros.page.recorded import PROMPTS, Recording
from drift_ros.prompts import read_prompts
from drift_ros.settings import TrackerSettings, build

SETTINGS = build(TrackerSettings, {'features.name': 'patch', 'features.resolution': 0})
FRAMES = 8


@pytest.fixture
def folder(tmp_path: Path, tools: Any) -> Path:
    place = tmp_path / 'frames'
    place.mkdir()
    for k in range(FRAMES):
        cv2.imwrite(str(place / f'{k}.png'), tools.scene(k, objects=2)[0][..., ::-1])
    return place


@pytest.fixture
def recording(folder: Path, tmp_path: Path) -> Iterator[Recording]:
    recording = Recording(folder, SETTINGS, tmp_path / 'out')
    yield recording
    recording.close()


def box(recording: Recording, index: int, n: int, target: int = 0, name: str = '') -> Draft:
    """A box around object n of the scene, 4 px larger on each side."""
    draft = Draft(recording.picture(index), target, name)
    x, y = 8 + index + 20 * n, 8 + 16 * (n % 2)
    draft.set_box((x - 4, y - 4), (x + 19, y + 19))
    return draft


def finished(recording: Recording, tools: Any) -> Recording:
    recording.track()
    tools.until(lambda: not recording.running, 'the end of the tracking')
    return recording


def test_from_marks_to_results_that_are_those_of_drift_track(
    recording: Recording, tools: Any, tmp_path: Path, folder: Path
) -> None:
    with pytest.raises(PromptError):
        recording.track()
    truth = tools.scene(0, objects=2)[1]
    assert (recording.preview(box(recording, 0, 0)) == (truth == 1)).mean() > 0.95
    assert recording.accept(box(recording, 0, 0, name='cup')) == 1
    assert recording.accept(box(recording, 0, 1)) == 2
    assert [o.name for o in recording.picture(0).objects] == ['cup', '']
    assert not recording.picture(3).objects  # not tracked yet
    finished(recording, tools)
    assert recording.problem == '' and recording.done == FRAMES
    assert {o.id for o in recording.picture(5).objects if o.visible} == {1, 2}

    recording.accept(box(recording, 4, 0, target=1))  # a correction
    assert len(recording.picture(3).objects) == 2 and len(recording.picture(5).objects) == 0
    recording.rename(2, 'lid')
    assert [o.name for o in recording.picture(2).objects] == ['cup', 'lid']
    finished(recording, tools)
    with zipfile.ZipFile(recording.archive()) as archive:
        assert {PROMPTS, 'tracks.csv', 'labels/0.png', 'run.json'} <= set(archive.namelist())
        prompts = Path(archive.extract(PROMPTS, tmp_path))
    read = [(t.prompt.id, t.frame, t.prompt.name) for t in read_prompts(prompts)]
    assert read == [(1, 0, 'cup'), (2, 0, 'lid'), (1, 4, 'cup')]
    request = TrackingRequest(
        source=folder,
        prompts=prompts,
        out=tmp_path / 'again',
        settings=SETTINGS,
        video=False,
        bag=False,
    )
    with TrackingRun(request) as run:
        run.execute()
    for k in range(FRAMES):
        one, other = (tmp_path / place / f'labels/{k}.png' for place in ('out/tracked', 'again'))
        assert one.read_bytes() == other.read_bytes()


def test_tracking_is_stopped_and_guarded(recording: Recording, tools: Any) -> None:
    recording.accept(box(recording, 0, 0))
    count = recording._count

    def held(done: int) -> None:
        tools.until(recording._stop.is_set)
        count(done)

    recording._count = held  # type: ignore[method-assign]
    recording.track()
    for refused in (recording.track, recording.archive, lambda: recording.remove(1)):
        with pytest.raises(PromptError):
            refused()
    recording.stop()
    tools.until(lambda: not recording.running)
    assert recording.problem == 'stopped'
    recording.remove(1)
    assert recording.names == {} and not recording.picture(0).objects


def test_what_cannot_be_segmented_is_refused_and_changes_nothing(recording: Recording) -> None:
    draft = Draft(recording.picture(0))
    draft.add_point((3, 3), on_object=False)
    for call in (recording.preview, recording.accept):
        with pytest.raises(PromptError):
            call(draft)
    assert recording.prompts == []


def test_any_frame_at_any_time(folder: Path, tmp_path: Path) -> None:
    (folder / '3.png').write_bytes(b'broken')
    cursor = Cursor(open_source(folder))
    assert [cursor.frame(k).index for k in (7, 0, 5, 3, 4, 99)] == [7, 0, 5, 4, 4, 7]
    assert cursor.count == FRAMES
    cursor.close()
    with pytest.raises(SourceError):
        Cursor(open_source(tmp_path / 'none'))
