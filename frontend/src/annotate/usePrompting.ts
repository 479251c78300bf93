/** Points and boxes that ask the model for the mask of one object. */
import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "@/api/problem";
import type { Box, CocoRle } from "@/masks/types";
import { refine } from "./api";
import type { Edit, PromptPoint } from "./canvas/types";
import { outbox } from "./saving/session";

interface Prompting {
  readonly frameId: string;
  /** The object that is refined; null: a new one. */
  readonly objectId: string | null;
  readonly points: readonly PromptPoint[];
  readonly box: Box | null;
  /** The newest answer. */
  readonly preview: CocoRle | null;
  readonly isAsking: boolean;
}

interface Options {
  readonly frameId: string;
  readonly objectId: string | null;
  /** Where that object is. A first click far from it begins a new object, whatever is selected. */
  readonly objectBox?: Box | null;
  /** Whether a tool is in use that asks the model. */
  readonly isOn: boolean;
  /** `isLeaving`: something else has been chosen since. */
  readonly onEdit: (edit: Edit, isLeaving: boolean) => void;
  readonly onProblem: (error: unknown) => void;
}

/**
 * Collect points and a box for one object; each one asks again, and only the newest answer counts.
 *
 * Going elsewhere (another frame, object or tool) keeps the mask that is shown, as Enter does; Escape drops it.
 */
export function usePrompting({ frameId, objectId, objectBox = null, isOn, onEdit, onProblem }: Options) {
  const [shown, setShown] = useState<Prompting | null>(null);
  const current = useRef<Prompting | null>(null);
  const request = useRef<AbortController | null>(null);
  const latest = useRef({ onEdit, onProblem });
  useEffect(() => {
    latest.current = { onEdit, onProblem };
  });

  const become = useCallback((prompting: Prompting | null) => {
    current.current = prompting;
    setShown(prompting);
  }, []);

  const end = useCallback(
    (isKept: boolean, isLeaving = false): boolean => {
      const prompting = current.current;
      request.current?.abort();
      if (prompting === null) return false;
      become(null);
      const { preview: mask, objectId: id } = prompting;
      if (isKept && mask !== null) latest.current.onEdit({ kind: "mask", objectId: id, mask, frameId: prompting.frameId }, isLeaving);
      return true;
    },
    [become],
  );

  const ask = useCallback(
    async (prompting: Prompting) => {
      request.current?.abort();
      const controller = new AbortController();
      request.current = controller;
      become({ ...prompting, isAsking: true });
      try {
        const mask = await answer(prompting, controller.signal);
        if (!controller.signal.aborted && current.current !== null) become({ ...current.current, preview: mask, isAsking: false });
      } catch (error) {
        if (controller.signal.aborted) return;
        // Without an answer the points are of no use, unless an earlier one is still shown.
        become(current.current?.preview === null || current.current === null ? null : { ...current.current, isAsking: false });
        latest.current.onProblem(error);
      }
    },
    [become],
  );

  const place = JSON.stringify([frameId, objectId, isOn]);
  const lastPlace = useRef(place);
  useEffect(() => {
    if (lastPlace.current !== place) end(true, true);
    lastPlace.current = place;
  }, [place, end]);
  useEffect(() => () => void end(true, true), [end]);

  const begun = (): Prompting => current.current ?? { frameId, objectId, points: [], box: null, preview: null, isAsking: false };
  const begunAt = (point: PromptPoint): Prompting => {
    const isElsewhere = current.current === null && point.isPositive && objectBox !== null && !isNear(objectBox, point);
    return isElsewhere ? { ...begun(), objectId: null } : begun();
  };
  return {
    shown,
    addPoint: (point: PromptPoint) => {
      const prompting = begunAt(point);
      void ask({ ...prompting, points: [...prompting.points, point] });
    },
    setBox: (box: Box) => void ask({ ...begun(), box }),
    /** Keep the mask that is shown; false when there is nothing to keep. */
    commit: () => end(true),
    /** Drop points and mask; false when there are none. */
    cancel: () => end(false),
  };
}

/** Whether a point is on an object, or beside it by no more than a quarter of its size. */
function isNear([left, top, right, bottom]: Box, { x, y }: PromptPoint): boolean {
  const [beside, above] = [(right - left) / 4, (bottom - top) / 4];
  return x >= left - beside && x <= right + beside && y >= top - above && y <= bottom + above;
}

async function answer({ frameId, objectId, points, box }: Prompting, signal: AbortSignal): Promise<CocoRle> {
  // The server begins with the mask that it has, so that has to be the one on the screen.
  if (objectId !== null && outbox.unsavedIds().has(objectId)) await outbox.settled();
  const annotationId = objectId === null ? null : outbox.serverId(objectId);
  if (signal.aborted) throw signal.reason;
  return refine(frameId, points, box, annotationId, signal);
}

/** Whether the model at hand cannot be asked about single objects at all. */
export const isWithoutClicks = (error: unknown): boolean => error instanceof Problem && error.code === "no-click-model";
