/** The classes of a project in the order of their numbers, and their colours. */
import { useCallback, useMemo } from "react";
import { useClasses as useProjectClasses } from "@/api/projects";
import { useClassColours } from "@/app/classColours";
import { useSettings } from "@/app/settings";
import { colourOf } from "@/masks/palette";
import type { Entry } from "./api";
import type { EditorObject } from "./canvas/types";
import { sortedClasses } from "./objects";
import { usePrompts } from "./settings";

export interface Classes {
  /** Prompts first, in their order, then the others by name. */
  readonly names: readonly string[];
  readonly colourOfClass: (className: string) => string;
  readonly colourOfObject: (object: EditorObject) => string;
}

const NONE: readonly string[] = [];

export function useClasses(project: string, entries: readonly Entry[]): Classes {
  const stored = useProjectClasses(project).data ?? NONE;
  const prompts = usePrompts(project);
  const isByClass = useSettings((settings) => settings.colourBy) === "class";
  // A list that says the same is the same list, whatever else of the objects has changed.
  const present = JSON.stringify([...new Set(entries.map((entry) => entry.class_name))].sort());
  const names = useMemo(() => sortedClasses([...prompts, ...stored, ...(JSON.parse(present) as string[])], prompts), [prompts, stored, present]);
  const colourOfClass = useClassColours(project, names);
  const colourOfObject = useCallback(
    (object: EditorObject) => (isByClass ? colourOfClass(object.className) : colourOf(object.id)),
    [isByClass, colourOfClass],
  );
  return { names, colourOfClass, colourOfObject };
}
