/** The objects of a frame in the order in which they are looked at. */
import type { EditorObject } from "./canvas/types";
import type { Entry } from "./api";

/** The objects of one class; proposals below the score are counted only. */
export interface ClassGroup {
  readonly className: string;
  /** Proposed and accepted ones, the least certain first; what has no score comes last. */
  readonly shown: readonly Entry[];
  readonly nAccepted: number;
  /** Those that are shown. */
  readonly nProposed: number;
  readonly nBelow: number;
}

export interface Grouped {
  readonly groups: readonly ClassGroup[];
  readonly rejected: readonly Entry[];
  /** Proposals below the score, of all classes. */
  readonly nBelow: number;
}

/** Whether the score slider hides an object. */
export const isBelow = (entry: Entry, minScore: number): boolean =>
  entry.status === "proposed" && entry.confidence !== null && entry.confidence < minScore;

/** Group objects by class: the named classes first and in their order, the others by name. */
export function grouped(entries: readonly Entry[], minScore: number, order: readonly string[]): Grouped {
  const byClass = new Map<string, Entry[]>();
  const rejected: Entry[] = [];
  for (const entry of entries) {
    if (entry.status === "rejected") {
      rejected.push(entry);
      continue;
    }
    const group = byClass.get(entry.class_name);
    if (group === undefined) byClass.set(entry.class_name, [entry]);
    else group.push(entry);
  }
  const groups = sortedClasses([...byClass.keys()], order).map((className) => groupOf(className, byClass.get(className) ?? [], minScore));
  return { groups, rejected, nBelow: groups.reduce((sum, group) => sum + group.nBelow, 0) };
}

function groupOf(className: string, entries: readonly Entry[], minScore: number): ClassGroup {
  const shown = entries.filter((entry) => !isBelow(entry, minScore)).sort(byScore);
  const nAccepted = shown.filter(({ status }) => status === "accepted").length;
  return { className, shown, nAccepted, nProposed: shown.length - nAccepted, nBelow: entries.length - shown.length };
}

const byScore = (a: Entry, b: Entry) => (a.confidence ?? 2) - (b.confidence ?? 2);

/** Class names without doubles: the ordered ones first. */
export function sortedClasses(names: readonly string[], order: readonly string[]): string[] {
  const present = new Set(names);
  const first = order.filter((name) => present.has(name));
  const rest = [...present].filter((name) => !first.includes(name)).sort((a, b) => a.localeCompare(b));
  return [...new Set(first), ...rest];
}

/** The ids of shown objects from top to bottom. */
export const inOrder = ({ groups }: Grouped): string[] => groups.flatMap(({ shown }) => shown.map(({ id }) => id));

/** The object `step` places after another, around the end; the first or last one when there is no other. */
export function neighbour(ids: readonly string[], from: string | undefined, step: 1 | -1): string | null {
  if (ids.length === 0) return null;
  const place = from === undefined ? -1 : ids.indexOf(from);
  if (place < 0) return ids.at(step > 0 ? 0 : -1) ?? null;
  return ids.at((place + step) % ids.length) ?? null;
}

/** The next shown proposal after an object, around the end, other than those that are just being decided about. */
export function nextUndecided(view: Grouped, from: string | undefined, decided: ReadonlySet<string>): string | null {
  const open = view.groups.flatMap(({ shown }) => shown.map((entry) => ({ id: entry.id, isOpen: entry.status === "proposed" && !decided.has(entry.id) })));
  const start = from === undefined ? 0 : open.findIndex(({ id }) => id === from) + 1;
  const around = [...open.slice(start), ...open.slice(0, start)];
  return around.find(({ isOpen }) => isOpen)?.id ?? null;
}

/** An annotation as the canvas takes it; the same one for the same annotation. */
export function editorObject(entry: Entry): EditorObject {
  const known = made.get(entry);
  if (known !== undefined) return known;
  const object: EditorObject = {
    id: entry.id,
    className: entry.class_name,
    status: entry.status,
    source: entry.source,
    confidence: entry.confidence,
    revision: entry.revision,
    bbox: entry.bbox_xyxy,
    mask: entry.segmentation,
  };
  made.set(entry, object);
  return object;
}

const made = new WeakMap<Entry, EditorObject>();
