/** The frame on the canvas and what is in it. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { type Frame, imageUrl } from "@/api/client";
import type { Entry } from "./api";
import type { CanvasFrame } from "./canvas/types";
import { annotationsQuery, frameQuery, type FrameSet, prefetch } from "./queries";
import { outbox, useOutboxVersion } from "./saving/session";

const NEIGHBOURS = [1, 2, -1, 3, -2];

export interface ShownFrame {
  readonly frame: CanvasFrame;
  /** With everything that is on its way to the server. */
  readonly entries: readonly Entry[];
  readonly areEntriesKnown: boolean;
}

/**
 * The frame to show. While a new one is asked for, the former one stays: `shown` is then not the frame asked for, and
 * what is done is done to `shown`.
 */
export function useShownFrame(set: FrameSet, frameId: string): { shown: ShownFrame | null; error: unknown; retry: () => void } {
  const client = useQueryClient();
  const info = useQuery(frameQuery(frameId));
  const lastShown = useRef<Frame | null>(null);
  const frame = info.data ?? lastShown.current;
  useEffect(() => {
    lastShown.current = frame;
  });
  const annotations = useQuery({ ...annotationsQuery(frame?.id ?? frameId), enabled: frame !== null });
  const version = useOutboxVersion();
  // The version stands for what the outbox holds.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const entries = useMemo(() => outbox.view(frame?.id ?? "", annotations.data ?? []), [frame?.id, annotations.data, version]);
  useEffect(() => {
    const place = set.places.get(frameId);
    if (info.data === undefined || place === undefined) return;
    prefetch(client, NEIGHBOURS.flatMap((step) => set.ids[place + step] ?? []));
  }, [client, set, frameId, info.data]);
  const canvasFrame = useMemo(() => frame && { id: frame.id, width: frame.width, height: frame.height, imageUrl: imageUrl(frame.id) }, [frame]);
  return {
    shown: canvasFrame && { frame: canvasFrame, entries, areEntriesKnown: annotations.isSuccess },
    error: info.error ?? annotations.error,
    retry: () => void (info.isError ? info.refetch() : annotations.refetch()),
  };
}
