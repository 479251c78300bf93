/** Which frames are selected, by project; it lasts when a frame is opened and left again. */
import { create } from "zustand";

export interface Selection {
  readonly ids: ReadonlySet<string>;
  /** Where a range begins. */
  readonly anchor: string | null;
}

export const NOTHING: Selection = { ids: new Set(), anchor: null };

export function toggled(selection: Selection, id: string): Selection {
  const ids = new Set(selection.ids);
  if (!ids.delete(id)) ids.add(id);
  return { ids, anchor: id };
}

export const only = (id: string): Selection => ({ ids: new Set([id]), anchor: id });

/** Everything from the anchor to a frame, in the order in which they are shown; the anchor stays. */
export function upTo(selection: Selection, id: string, order: readonly string[]): Selection {
  const end = order.indexOf(id);
  if (end === -1) return selection;
  const start = selection.anchor === null ? -1 : order.indexOf(selection.anchor);
  const [from, to] = start === -1 ? [end, end] : [Math.min(start, end), Math.max(start, end)];
  return { ids: new Set(order.slice(from, to + 1)), anchor: start === -1 ? id : selection.anchor };
}

export const everything = (order: readonly string[]): Selection => ({ ids: new Set(order), anchor: order[0] ?? null });

interface Store {
  readonly byProject: Readonly<Record<string, Selection>>;
  readonly set: (project: string, selection: Selection) => void;
}

const useStore = create<Store>()((set) => ({
  byProject: {},
  set: (project, selection) => set(({ byProject }) => ({ byProject: { ...byProject, [project]: selection } })),
}));

export function useSelection(project: string): readonly [Selection, (selection: Selection) => void] {
  const selection = useStore((store) => store.byProject[project] ?? NOTHING);
  const set = useStore((store) => store.set);
  return [selection, (changed) => set(project, changed)];
}
