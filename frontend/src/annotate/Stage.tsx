import { type RefObject, useMemo } from "react";
import { useSettings } from "@/app/settings";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import type { Scene } from "./actions";
import { brushSizeOf } from "./bar/CanvasBar";
import { MaskCanvas } from "./canvas/MaskCanvas";
import type { CanvasHandle } from "./canvas/types";
import { editorObject, isBelow } from "./objects";
import { usePreferences } from "./settings";
import type { Classes } from "./useClasses";
import type { Editing } from "./useEditing";
import type { ShownFrame } from "./useShownFrame";
import { useView } from "./viewState";

const texts = defineTexts(
  {
    canvas: (place: string, nObjects: string, nOpen: string) => `Frame ${place} with ${nObjects} objects, ${nOpen} of them undecided`,
  },
  {
    canvas: (place: string, nObjects: string, nOpen: string) => `フレーム ${place}、物体 ${nObjects} 個（未判定 ${nOpen} 個）`,
  },
);

interface StageProps {
  readonly scene: Scene;
  readonly shown: ShownFrame;
  readonly classes: Classes;
  readonly editing: Editing;
  readonly canvas: RefObject<CanvasHandle | null>;
  readonly place: number;
}

/** The canvas with the objects that the score slider leaves. */
export function Stage({ scene, shown, classes, editing, canvas, place }: StageProps) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const { selected, hidden, tool, areMasksShown, isPeeking, doesBoxAsk, select } = useView();
  const { brushSize, isOutlineOnly, change } = usePreferences();
  const opacity = useSettings((settings) => settings.maskOpacity);
  const { entries, view, minScore } = scene;
  const objects = useMemo(() => entries.filter((entry) => !isBelow(entry, minScore)).map(editorObject), [entries, minScore]);
  const nOpen = view.groups.reduce((sum, group) => sum + group.nProposed, 0);
  const { prompting } = editing;
  return (
    <MaskCanvas
      ref={canvas}
      frame={shown.frame}
      objects={objects}
      selected={selected}
      hidden={hidden}
      masksShown={areMasksShown && !isPeeking}
      outlineOnly={isOutlineOnly}
      opacity={opacity}
      tool={tool}
      brushSize={brushSize}
      colourOf={classes.colourOfObject}
      points={prompting.shown?.points ?? []}
      preview={prompting.shown?.preview ?? null}
      onSelect={select}
      onEdit={editing.keep}
      onPoint={prompting.addPoint}
      {...(doesBoxAsk && { onBoxPrompt: prompting.setBox })}
      onBrushSize={(size) => change({ brushSize: brushSizeOf(size) })}
      label={t.canvas(number(place), number(objects.filter(({ status }) => status !== "rejected").length), number(nOpen))}
    />
  );
}
