/** What became of an object: its revisions, each with who made it and when. */
import type { Entry, FormerState } from "./api";

/** What an object was or is. */
export type State = FormerState | Entry;

export interface Version {
  readonly revision: number;
  /** What it was from then on. */
  readonly state: State;
  /** Who made it so; null when it is not known, or when a model did. */
  readonly by: string | null;
  /** Seconds since 1970. */
  readonly at_s: number | null;
  readonly isCurrent: boolean;
  /** What is different from the revision before. */
  readonly changes: readonly ("found" | "drawn" | "class" | "shape" | "accepted" | "rejected" | "proposed")[];
}

/** All revisions, the newest first. A former state tells who ended it, which is who made the next one. */
export function versionsOf(entry: Entry, former: readonly FormerState[]): Version[] {
  const states: readonly State[] = [...former, entry];
  return states
    .map((state, i): Version => {
      const before = states[i - 1];
      return {
        revision: state.revision,
        state,
        by: before === undefined ? entry.created_by : i === states.length - 1 ? entry.changed_by : before.changed_by,
        at_s: before === undefined ? entry.created_s : before.changed_s,
        isCurrent: i === states.length - 1,
        changes: before === undefined ? [state.source === "model" ? "found" : "drawn"] : changesOf(before, state),
      };
    })
    .reverse();
}

function changesOf(before: State, after: State): Version["changes"] {
  return [
    ...(before.class_name === after.class_name ? [] : ["class" as const]),
    ...(isSameShape(before, after) ? [] : ["shape" as const]),
    ...(before.status === after.status ? [] : [after.status]),
  ];
}

const isSameShape = (a: State, b: State): boolean =>
  a.segmentation?.counts === b.segmentation?.counts && a.bbox_xyxy.every((edge, i) => edge === b.bbox_xyxy[i]);
