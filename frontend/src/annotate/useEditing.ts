/** What is drawn on the canvas, and what is asked of the model. */
import { useCallback, useRef, useState } from "react";
import { useExplained } from "@/ui/states";
import { showToast } from "@/ui/toasts";
import { keepEdit, restore, type Scene } from "./actions";
import type { Entry } from "./api";
import type { Edit } from "./canvas/types";
import type { Classes } from "./useClasses";
import { isWithoutClicks, usePrompting } from "./usePrompting";
import { useView } from "./viewState";
import type { State } from "./versions";

export interface Editing {
  readonly prompting: ReturnType<typeof usePrompting>;
  /** The class of what is drawn next; null: it is asked for then. */
  readonly nextClass: string | null;
  readonly keep: (edit: Edit, isLeaving?: boolean) => void;
  readonly restore: (entry: Entry, former: State) => void;
  /** While the class of something drawn is asked for. */
  readonly asking: { readonly choose: (className: string) => void; readonly cancel: () => void } | null;
}

export function useEditing(scene: Scene, classes: Classes): Editing {
  const [withoutClass, setWithoutClass] = useState<Edit | null>(null);
  const tool = useView((view) => view.tool);
  const objectId = useView((view) => view.selected[0] ?? null);
  const currentClass = useView((view) => view.currentClass);
  const onProblem = useClickProblem();
  const nextClass = currentClass ?? classes.names[0] ?? null;
  const keep = (edit: Edit, isLeaving = false) => {
    if (edit.objectId === null && nextClass === null) setWithoutClass(edit);
    else keepEdit(scene, edit, nextClass ?? "", !isLeaving);
  };
  const objectBox = scene.entries.find((entry) => entry.id === objectId)?.bbox_xyxy ?? null;
  const isOn = tool === "point" || tool === "box";
  const prompting = usePrompting({ frameId: scene.frameId, objectId, objectBox, isOn, onEdit: keep, onProblem });
  const asking = withoutClass && {
    choose: (chosen: string) => {
      setWithoutClass(null);
      keepEdit(scene, withoutClass, chosen, true);
    },
    cancel: () => setWithoutClass(null),
  };
  return { prompting, nextClass, keep, asking, restore: (entry, former) => restore(scene, entry, former) };
}

/** Says why the model did not answer; that it cannot answer at all is said once. */
function useClickProblem(): (error: unknown) => void {
  const explained = useExplained();
  const isSaid = useRef(false);
  return useCallback(
    (error) => {
      if (isWithoutClicks(error) && isSaid.current) return;
      isSaid.current ||= isWithoutClicks(error);
      showToast({ kind: "error", ...explained(error) });
    },
    [explained],
  );
}
