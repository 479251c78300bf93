"""Says whether a machine or a container can do its work, and what to do about each fault.

``report`` runs checks, ``printing`` shows what they found without the secrets that ``masking``
knows, ``roles`` says which belong where, ``reference`` writes the page about them. ``nvidia``,
``container`` and ``host`` look at the card, the driver and the containers with the standard library
alone, since the host of containers has nothing else. The others need an installation with all its
packages: ``machine``, ``accelerator`` (torch), ``models``, ``broker`` and ``queues``. What may hang or
crash is a program of its own (``nvml_child``, ``model_run``), started by ``child``.
"""
