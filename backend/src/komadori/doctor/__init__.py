"""Says whether a machine or a container can do its work, and what to do about each fault.

``report`` runs checks, ``printing`` shows what they found. ``nvidia`` and ``host`` look at the
card, the driver and the containers with the standard library alone, since the host of
containers has nothing else. ``machine`` and ``accelerator`` look at an installation with all
its packages.
"""
