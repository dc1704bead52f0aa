import numpy as np
from hypothesis import given

from hwgen.core.window import Window
from hwgen.hw.window_walk import WindowWalk
from tests.hw.geometries import geometries, serial


@given(geometries())
def test_walk_visits_the_words_of_every_window(geometry):
    walk = WindowWalk(*geometry)
    shape, lanes, kernel, stride, dilation = geometry
    numbers = np.arange(np.prod(shape)).reshape(1, *shape)
    first = serial(numbers, lanes, kernel, stride, dilation)[:, 0] // lanes
    words = first.reshape(len(walk.bases), walk.reads)
    assert words[:, 0].tolist() == walk.bases
    assert (words[:, -1] - words[:, 0] == walk.span - 1).all()
    assert walk.output_shape == Window(kernel, stride, (0, 0, 0, 0), dilation).output_shape(shape)
