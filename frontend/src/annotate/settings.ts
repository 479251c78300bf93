/** What a person has chosen on the annotate page; kept in this browser. */
import { create } from "zustand";
import { persist } from "zustand/middleware";

interface Preferences {
  /** Prompts by project, in the order in which they were added. */
  readonly prompts: Readonly<Record<string, readonly string[]>>;
  /** Proposals below it are not shown, 0 to 1; by project. */
  readonly minScores: Readonly<Record<string, number>>;
  /** Diameter in pixels of the frame. */
  readonly brushSize: number;
  readonly isOutlineOnly: boolean;
  readonly setPrompts: (project: string, prompts: readonly string[]) => void;
  readonly setMinScore: (project: string, score: number) => void;
  readonly change: (changes: Partial<Pick<Preferences, "brushSize" | "isOutlineOnly">>) => void;
}

export const usePreferences = create<Preferences>()(
  persist(
    (set) => ({
      prompts: {},
      minScores: {},
      brushSize: 32,
      isOutlineOnly: false,
      setPrompts: (project, prompts) => set((before) => ({ prompts: { ...before.prompts, [project]: prompts } })),
      setMinScore: (project, score) => set((before) => ({ minScores: { ...before.minScores, [project]: score } })),
      change: (changes) => set(changes),
    }),
    { name: "komadori.annotate" },
  ),
);

const NONE: readonly string[] = [];

export const usePrompts = (project: string): readonly string[] => usePreferences((store) => store.prompts[project] ?? NONE);

/** The score from which proposals are shown, until a person moves the slider. */
export const FIRST_MIN_SCORE = 0.5;

export const useMinScore = (project: string): number => usePreferences((store) => store.minScores[project] ?? FIRST_MIN_SCORE);
