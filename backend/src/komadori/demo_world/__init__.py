"""A synthetic world whose truth is known: pictures and videos of named things over textured grounds.

The small packaged models are trained on it, and the whole pipeline is measured against it. ``kinds``
names the things, ``sprites`` draws one, ``grounds`` draws what lies behind, ``scene`` composes a
picture and its exact masks, ``sampling`` draws scenes at random, ``motion`` lets a scene move, and
``footage`` writes it as a video with its truth beside it.
"""
