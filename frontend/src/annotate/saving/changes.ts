/** What a person can change, and how it looks before the server has answered. */
import type { Box, CocoRle } from "@/masks/types";
import type { Entry, Status } from "../api";

/** What an edit changes; with a mask goes its own box. */
export interface Edited {
  readonly class_name?: string;
  readonly bbox_xyxy?: Box;
  readonly segmentation?: CocoRle;
}

export type Change =
  /** A decision; `frameId` null: about objects of many frames, of which the answer lists none. */
  | { readonly kind: "decide"; readonly frameId: string | null; readonly ids: readonly string[]; readonly status: Status }
  | { readonly kind: "edit"; readonly frameId: string; readonly id: string; readonly className: string; readonly seen: number; readonly values: Edited }
  | { readonly kind: "draw"; readonly frameId: string; readonly id: string; readonly className: string; readonly bbox: Box; readonly mask: CocoRle | null }
  /** Back to a former revision, which may not be known before the changes ahead of this one are saved. */
  | { readonly kind: "revert"; readonly frameId: string; readonly id: string; readonly to: Entry; readonly revision: () => number | null };

/** The objects that a change is about. */
export const idsOf = (change: Change): readonly string[] => (change.kind === "decide" ? change.ids : [change.id]);

/** The annotations of a frame as they are once a change is saved. */
export function applied(entries: readonly Entry[], change: Change): readonly Entry[] {
  switch (change.kind) {
    case "decide": {
      const ids = new Set(change.ids);
      return entries.map((entry) => (ids.has(entry.id) && entry.status !== change.status ? { ...entry, status: change.status } : entry));
    }
    case "edit":
      return entries.map((entry) => (entry.id === change.id ? edited(entry, change.values) : entry));
    case "revert":
      return entries.map((entry) => (entry.id === change.id ? { ...change.to, id: entry.id, revision: entry.revision } : entry));
    case "draw":
      return entries.some((entry) => entry.id === change.id) ? entries : [...entries, drawn(change)];
  }
}

/** As the server does it: a new shape or class is a person's and accepted, a box without a mask drops the mask. */
function edited(entry: Entry, values: Edited): Entry {
  const isBoxOnly = values.bbox_xyxy !== undefined && values.segmentation === undefined;
  return { ...entry, ...values, segmentation: isBoxOnly ? null : (values.segmentation ?? entry.segmentation), source: "person", status: "accepted" };
}

function drawn(change: Extract<Change, { kind: "draw" }>): Entry {
  return {
    id: change.id,
    frame_id: change.frameId,
    class_name: change.className,
    bbox_xyxy: change.bbox,
    segmentation: change.mask,
    confidence: null,
    status: "accepted",
    source: "person",
    track_id: null,
    revision: 0,
    prompt: null,
    run_id: null,
    created_s: 0,
    created_by: null,
    changed_s: null,
    changed_by: null,
  };
}
