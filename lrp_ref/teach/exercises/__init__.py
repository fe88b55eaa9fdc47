"""Exercises of the course: a function that a learner writes is run on cases whose answers are known exactly.

    from lrp_ref import exercises
    exercises.sheet()                              # all of them: name, arguments, what is asked
    exercises.check("epsilon", my_function)        # passed n of m, or the first case that fails, and why

Exercises are data. To add one, write it into the file of its lessons (``relevance.py`` has 1 to 3, ``roots.py`` 4
and 5, ``rules.py`` 6, ``networks.py`` 7 and 8, ``starts.py`` 9, ``comparing.py`` 10, 12 and 13, ``products.py`` 11) or
into a new file with a tuple ``EXERCISES``, and name that file in ``GROUPS`` of ``sheets.py``. An exercise has

- ``name``, ``lesson``, ``arguments`` (such as ``"a, w, b, R, eps"``) and ``asked``, what the function returns;
- ``cases``, a function without arguments that returns its cases. ``cases.py`` makes them: ``of_vectors("Epsilon", …)``
  reads the conformance vectors, ``random_layers(name, answer)`` draws small layers and asks ``answer`` on exact
  rationals; a ``Case`` may also be written down. Answers come from the vectors, the textbook or fractions;
- ``wrong``, known mistakes: a sentence for the learner, and the function that makes the mistake. Where a learner's
  numbers are those of a mistake in every case that fails, the sentence is shown as a hint.

Functions get one sample, as new float64 arrays by position: a (I,), w (I, J), b (J,), R (J,).
``tests/teach/test_exercises.py`` has a solution for each, and shows that a stub and each of the known mistakes fail.
"""

from .checking import Failure, Result, check
from .exercise import Case, Exercise
from .sheets import Sheet, exercise, sheet

__all__ = ["Case", "Exercise", "Failure", "Result", "Sheet", "check", "exercise", "sheet"]
