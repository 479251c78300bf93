/** How the frame is looked at just now: what is selected, and with which tool. */
import { create } from "zustand";
import type { Tool } from "./canvas/types";

interface ViewState {
  readonly selected: readonly string[];
  /** Objects that are out of sight; that has nothing to do with what is saved or exported. */
  readonly hidden: ReadonlySet<string>;
  readonly tool: Tool;
  readonly areMasksShown: boolean;
  /** Whether a key is held to look at the picture alone. */
  readonly isPeeking: boolean;
  /** Whether a box that is drawn asks the model for a mask. */
  readonly doesBoxAsk: boolean;
  /** The class of what is drawn next. */
  readonly currentClass: string | null;
  /** The change whose conflict a person wants to settle later. */
  readonly putOff: number | null;
  /** What was done last, in words. */
  readonly note: string;
  readonly select: (ids: readonly string[]) => void;
  readonly toggleHidden: (ids: readonly string[]) => void;
  readonly change: (changes: Partial<Pick<ViewState, "tool" | "areMasksShown" | "isPeeking" | "doesBoxAsk" | "currentClass" | "putOff" | "note">>) => void;
}

export const useView = create<ViewState>()((set) => ({
  selected: [],
  hidden: new Set(),
  tool: "select",
  areMasksShown: true,
  isPeeking: false,
  doesBoxAsk: false,
  currentClass: null,
  putOff: null,
  note: "",
  select: (selected) => set({ selected }),
  /** Hide all of them, or show all when none of them is shown. */
  toggleHidden: (ids) =>
    set(({ hidden }) => {
      const changed = new Set(hidden);
      const areAllHidden = ids.every((id) => hidden.has(id));
      for (const id of ids) {
        if (areAllHidden) changed.delete(id);
        else changed.add(id);
      }
      return { hidden: changed };
    }),
  change: (changes) => set(changes),
}));
