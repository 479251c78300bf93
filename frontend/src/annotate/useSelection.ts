import { useEffect, useRef } from "react";
import type { Scene } from "./actions";
import type { ShownFrame } from "./useShownFrame";
import { useView } from "./viewState";

/**
 * On a new frame the first undecided object is selected, so that it can be decided about at once; also when the first
 * proposals come while one looks on.
 */
export function useSelection({ frame, areEntriesKnown }: ShownFrame, scene: Scene): void {
  const latest = useRef(scene);
  useEffect(() => {
    latest.current = scene;
  });
  const known = areEntriesKnown ? frame.id : null;
  useEffect(() => {
    const next = known === null ? null : latest.current.firstUndecided();
    useView.getState().select(next === null ? [] : [next]);
  }, [known]);
  const isOpen = scene.firstUndecided() !== null;
  useEffect(() => {
    const { selected, tool, select } = useView.getState();
    const next = isOpen && selected.length === 0 && tool === "select" ? latest.current.firstUndecided() : null;
    if (next !== null) select([next]);
  }, [isOpen]);
}
