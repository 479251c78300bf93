import { memo, type RefObject, useEffect, useMemo, useRef } from "react";
import { useSettings } from "@/app/settings";
import { defineTexts, useFormats, useTexts } from "@/i18n";
import { ErrorState } from "@/ui/states";
import { mergeSelected, redo, removeSelected, type Scene, setClass, splitSelected, undo } from "./actions";
import { brushSizeOf, CanvasBar } from "./bar/CanvasBar";
import { MaskCanvas } from "./canvas/MaskCanvas";
import type { CanvasHandle } from "./canvas/types";
import { Filmstrip } from "./Filmstrip";
import { editorObject, isBelow } from "./objects";
import { ObjectPanel } from "./panel/ObjectPanel";
import { SelectedObject } from "./panel/SelectedObject";
import { ClassPicker } from "./parts/ClassPicker";
import { ConflictDialog } from "./parts/ConflictDialog";
import { PromptBar } from "./prompts/PromptBar";
import type { FrameSet } from "./queries";
import { commands } from "./saving/session";
import { usePreferences } from "./settings";
import { Toolbar } from "./Toolbar";
import type { Walk } from "./urlState";
import { useAnnotateKeys } from "./useAnnotateKeys";
import { type Classes, useClasses } from "./useClasses";
import { useDeciding } from "./useDeciding";
import { type Editing, useEditing } from "./useEditing";
import { useScene } from "./useScene";
import { type ShownFrame, useShownFrame } from "./useShownFrame";
import { useStable } from "./useStable";
import { useView } from "./viewState";
import styles from "./Workspace.module.css";

const texts = defineTexts(
  {
    canvas: (place: string, nObjects: string, nOpen: string) => `Frame ${place} with ${nObjects} objects, ${nOpen} of them undecided`,
  },
  {
    canvas: (place: string, nObjects: string, nOpen: string) => `フレーム ${place}、物体 ${nObjects} 個（未判定 ${nOpen} 個）`,
  },
);

interface Props {
  readonly walk: Walk;
  readonly set: FrameSet;
  /** The frame that is asked for. */
  readonly frameId: string;
  readonly onGo: (frameId: string) => void;
}

/** The page around one frame: prompts above, tools at the left, objects at the right, the other frames below. */
export function Workspace(props: Props) {
  const { shown, error, retry } = useShownFrame(props.set, props.frameId);
  if (shown !== null) return <Frame {...props} shown={shown} error={error} onRetry={retry} />;
  return error === null ? <div className={styles["loading"]} aria-busy /> : <ErrorState error={error} onRetry={retry} />;
}

interface FrameProps extends Props {
  readonly shown: ShownFrame;
  readonly error: unknown;
  readonly onRetry: () => void;
}

function Frame({ walk, set, frameId, onGo, shown, error, onRetry }: FrameProps) {
  const canvas = useRef<CanvasHandle>(null);
  const stage = useRef<HTMLDivElement>(null);
  const classes = useClasses(walk.project, shown.entries);
  const scene = useScene({ walk, set, shown, classes, onGo });
  const editing = useEditing(scene, classes);
  const deciding = useDeciding(scene, walk.project);
  const decide = useStable(deciding.decide);
  const askFar = useStable(deciding.askFar);
  const go = useStable(onGo);
  const step = (by: 1 | -1) => {
    const place = set.places.get(frameId);
    const to = place === undefined ? set.ids[0] : set.ids[place + by];
    if (to !== undefined) onGo(to);
  };
  useSelection(shown, scene);
  useAnnotateKeys({ scene, canvas, stage, prompting: editing.prompting, classes: classes.names, onStep: step, onAcceptClass: deciding.acceptClass });
  const { asking } = editing;
  const prompted = editing.prompting.shown;
  return (
    <div className={styles["workspace"]}>
      <div className={styles["prompts"]}>
        <Prompts walk={walk} set={set} frameId={frameId} colourOfClass={classes.colourOfClass} />
      </div>
      <Tools scene={scene} canvas={canvas} />
      <div className={styles["middle"]}>
        <CanvasBar walk={walk} set={set} frameId={frameId} prompting={prompted && (prompted.isAsking ? "asking" : "shown")} onStep={step} />
        <div className={styles["stage"]} ref={stage}>
          <Stage {...{ scene, shown, classes, editing, canvas }} place={(set.places.get(frameId) ?? -1) + 1} />
          {error !== null && <div className={styles["error"]}><ErrorState error={error} onRetry={onRetry} /></div>}
        </div>
      </div>
      <ObjectPanel
        project={walk.project}
        view={scene.view}
        unsaved={scene.unsaved}
        classes={classes.names}
        colourOfClass={classes.colourOfClass}
        onDecide={decide}
        onDecideFar={askFar}
      >
        <Selected scene={scene} classes={classes} editing={editing} />
      </ObjectPanel>
      <div className={styles["film"]}>
        <Filmstrip set={set} frameId={frameId} onGo={go} />
      </div>
      {asking !== null && <ClassPicker classes={classes.names} onChoose={asking.choose} onClose={asking.cancel} />}
      {deciding.dialog}
      <ConflictDialog />
    </div>
  );
}

const Prompts = memo(PromptBar);

function Tools({ scene, canvas }: { readonly scene: Scene; readonly canvas: RefObject<CanvasHandle | null> }) {
  return (
    <Toolbar
      canUndo={commands.next !== null}
      canRedo={commands.nextAgain !== null}
      onUndo={() => undo(scene)}
      onRedo={() => redo(scene)}
      onMerge={() => mergeSelected(scene)}
      onSplit={() => splitSelected(scene)}
      onFit={() => canvas.current?.fit()}
    />
  );
}

interface StageProps {
  readonly scene: Scene;
  readonly shown: ShownFrame;
  readonly classes: Classes;
  readonly editing: Editing;
  readonly canvas: RefObject<CanvasHandle | null>;
  readonly place: number;
}

function Stage({ scene, shown, classes, editing, canvas, place }: StageProps) {
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

interface SelectedProps {
  readonly scene: Scene;
  readonly classes: Classes;
  readonly editing: Editing;
}

function Selected({ scene, classes, editing }: SelectedProps) {
  const ids = useView((view) => view.selected);
  const selected = useMemo(() => {
    const byId = new Map(scene.entries.map((entry) => [entry.id, entry]));
    return ids.flatMap((id) => byId.get(id) ?? []);
  }, [ids, scene.entries]);
  return (
    <SelectedObject
      selected={selected}
      nextClass={editing.nextClass}
      classes={classes.names}
      onClass={(className) => setClass(scene, className)}
      onRemove={() => removeSelected(scene)}
      onRestore={editing.restore}
    />
  );
}

/** On a new frame the first undecided object is selected, so that it can be decided about at once. */
function useSelection({ frame, areEntriesKnown }: ShownFrame, scene: Scene): void {
  const latest = useRef(scene);
  useEffect(() => {
    latest.current = scene;
  });
  const known = areEntriesKnown ? frame.id : null;
  useEffect(() => {
    const next = known === null ? null : latest.current.firstUndecided();
    useView.getState().select(next === null ? [] : [next]);
  }, [known]);
}
