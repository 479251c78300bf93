import { useCallback, useMemo } from "react";
import { useClasses } from "@/api/projects";
import { colourOf, coloursOf } from "@/masks/palette";
import { useSettings } from "./settings";

const NONE: readonly string[] = [];

/** The colour of each class of a project, the same on every page; `more` are names that are not stored yet. */
export function useClassColours(project: string, more: readonly string[] = NONE): (className: string) => string {
  const stored = useClasses(project).data ?? NONE;
  const own = useSettings((settings) => settings.classColours);
  const colours = useMemo(() => coloursOf([...stored, ...more], own), [stored, more, own]);
  return useCallback((className: string) => colours.get(className) ?? colourOf(className, own), [colours, own]);
}
