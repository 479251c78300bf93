"""Masks as run lengths, in the encoding of COCO: column by column, zeros first.

A mask stays in this form from the worker to the export, with its holes and parts.
The byte string is the one that ``pycocotools`` reads and writes (the format is
described by its reference implementation, cocoapi ``common/maskApi.c``: each run
after the second is stored as the difference to the run two before it, in groups of
five bits, low ones first).
"""
