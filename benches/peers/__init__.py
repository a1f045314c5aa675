"""One file a peer, run by ``_serve.py`` in a process of its own, perhaps in another environment.

A file defines ``PACKAGES`` (the distributions whose versions are reported) and a function for each
kind of task it can do: ``forward``, ``gradient``, ``batch``, ``table``, ``inference``, ``product``,
``samples``, ``exact``. A function takes the task, prepares everything that need not be done again,
and returns what is timed: a function without arguments whose result is compared with ours. Where a
peer has several ways, a dict from their names to such functions: the fastest is taken. What it
cannot do it says by raising ``UnsupportedError``.

Files may only import NumPy, their own package and ``peers.task``: nothing else need be there.
"""
