/** What a person has chosen about the UI; kept in this browser. */
import { create } from "zustand";
import { persist } from "zustand/middleware";
import type { Language } from "@/i18n";

export type Theme = "system" | "dark" | "light";
export type ColourBy = "class" | "instance";

export interface Settings {
  readonly theme: Theme;
  /** null: that of the browser. */
  readonly language: Language | null;
  /** Who decides and edits; it is kept with every change. */
  readonly actor: string;
  /** Keys that differ from the defaults, by action. */
  readonly keys: Readonly<Record<string, string>>;
  /** Width of a tile in the grid, in pixels. */
  readonly tileWidth: number;
  readonly colourBy: ColourBy;
  /** Opacity of the masks' fill, 0 to 1. */
  readonly maskOpacity: number;
  /** Colours of classes that a person has chosen, by class name. */
  readonly classColours: Readonly<Record<string, string>>;
}

interface Store extends Settings {
  readonly change: (changes: Partial<Settings>) => void;
}

export const useSettings = create<Store>()(
  persist(
    (set) => ({
      theme: "dark",
      language: null,
      actor: "",
      keys: {},
      tileWidth: 180,
      colourBy: "class",
      maskOpacity: 0.35,
      classColours: {},
      change: (changes) => set(changes),
    }),
    { name: "komadori.settings" },
  ),
);
