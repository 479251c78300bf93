/** The keys of the annotate page. */
import { type RefObject, useEffect } from "react";
import { useKeys } from "@/keys/useKeys";
import { decideSelected, goToUndecided, mergeSelected, redo, removeSelected, type Scene, setClass, splitSelected, undo } from "./actions";
import { brushSizeOf } from "./bar/CanvasBar";
import type { CanvasHandle } from "./canvas/types";
import { inOrder, neighbour } from "./objects";
import { usePreferences } from "./settings";
import { TOOLS } from "./Toolbar";
import { useView } from "./viewState";

interface Options {
  readonly scene: Scene;
  readonly canvas: RefObject<CanvasHandle | null>;
  /** The element around the canvas: while the focus is in it, Tab goes through objects. */
  readonly stage: RefObject<HTMLElement | null>;
  readonly prompting: { readonly commit: () => boolean; readonly cancel: () => boolean };
  /** Classes in the order of their numbers. */
  readonly classes: readonly string[];
  readonly onStep: (step: 1 | -1) => void;
  readonly onAcceptClass: () => void;
}

const BRUSH_STEP = 1.25;
const { getState: view } = useView;

export function useAnnotateKeys({ scene, canvas, stage, prompting, classes, onStep, onAcceptClass }: Options): void {
  usePeeking();
  const step = (by: 1 | -1) => (event: KeyboardEvent) => (isForControl(event) ? false : onStep(by));
  const object = (by: 1 | -1) => () => {
    if (stage.current?.contains(document.activeElement) !== true) return false;
    const next = neighbour(inOrder(scene.view), view().selected.at(-1), by);
    if (next !== null) view().select([next]);
    return true;
  };
  const resize = (factor: number) => () => {
    const { brushSize, change } = usePreferences.getState();
    const size = brushSizeOf(brushSize * factor);
    change({ brushSize: size === brushSize ? brushSizeOf(size + Math.sign(factor - 1)) : size });
  };
  useKeys("any", { undo: () => undo(scene), redo: () => redo(scene) });
  useKeys("annotate", {
    accept: () => decideSelected(scene, "accepted"),
    reject: () => decideSelected(scene, "rejected"),
    acceptClass: onAcceptClass,
    nextObject: object(1),
    previousObject: object(-1),
    nextFrame: step(1),
    previousFrame: step(-1),
    nextUndecided: () => goToUndecided(scene),
    ...Object.fromEntries(TOOLS.map(({ tool, action }) => [action, () => view().change({ tool })])),
    smallerBrush: resize(1 / BRUSH_STEP),
    largerBrush: resize(BRUSH_STEP),
    merge: () => mergeSelected(scene),
    split: () => splitSelected(scene),
    masks: () => view().change({ areMasksShown: !view().areMasksShown }),
    peek: () => view().change({ isPeeking: true }),
    outline: () => usePreferences.getState().change({ isOutlineOnly: !usePreferences.getState().isOutlineOnly }),
    commit: () => canvas.current?.commit() === true || prompting.commit(),
    cancel: () => canvas.current?.cancel() === true || prompting.cancel() || leave(stage.current),
    remove: () => removeSelected(scene),
    setClass: ({ key }) => {
      const className = classes[Number(key) - 1];
      if (className !== undefined) setClass(scene, className);
    },
    fit: () => canvas.current?.fit(),
  });
}

/** Arrow keys move sliders and go through menus where the focus is on one. */
const isForControl = (event: KeyboardEvent): boolean =>
  event.key.startsWith("Arrow") && event.target instanceof HTMLElement && event.target.closest("input, [role=slider], [role=menu]") !== null;

/** Escape lets go step by step: of the selection, then of the canvas, so that Tab leaves it. */
function leave(stage: HTMLElement | null): boolean {
  const { selected, select } = view();
  if (selected.length > 0) {
    select([]);
    return true;
  }
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || stage?.contains(focused) !== true) return false;
  focused.blur();
  return true;
}

/** Masks come back when the key is let go, wherever that happens. */
function usePeeking(): void {
  useEffect(() => {
    const stop = () => {
      if (view().isPeeking) view().change({ isPeeking: false });
    };
    window.addEventListener("keyup", stop);
    window.addEventListener("blur", stop);
    return () => {
      window.removeEventListener("keyup", stop);
      window.removeEventListener("blur", stop);
    };
  }, []);
}
