import { memo, type RefObject, useMemo, useRef } from "react";
import { ErrorState } from "@/ui/states";
import { mergeSelected, redo, removeSelected, type Scene, setClass, splitSelected, undo } from "./actions";
import { CanvasBar } from "./bar/CanvasBar";
import type { CanvasHandle } from "./canvas/types";
import { Filmstrip } from "./Filmstrip";
import { ObjectPanel } from "./panel/ObjectPanel";
import { SelectedObject } from "./panel/SelectedObject";
import { ClassPicker } from "./parts/ClassPicker";
import { ConflictDialog } from "./parts/ConflictDialog";
import { PromptBar } from "./prompts/PromptBar";
import type { FrameSet } from "./queries";
import { commands } from "./saving/session";
import { Stage } from "./Stage";
import { Toolbar } from "./Toolbar";
import type { Walk } from "./urlState";
import { useAnnotateKeys } from "./useAnnotateKeys";
import { type Classes, useClasses } from "./useClasses";
import { useDeciding } from "./useDeciding";
import { type Editing, useEditing } from "./useEditing";
import { useScene } from "./useScene";
import { useSelection } from "./useSelection";
import { type ShownFrame, useShownFrame } from "./useShownFrame";
import { useStable } from "./useStable";
import { useView } from "./viewState";
import styles from "./Workspace.module.css";

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
  if (shown !== null) return <Frame {...props} shown={shown} failure={error === null ? null : { error, onRetry: retry }} />;
  return error === null ? <div className={styles["loading"]} aria-busy /> : <ErrorState error={error} onRetry={retry} />;
}

interface FrameProps extends Props {
  /** The frame on the canvas: the one that is asked for as soon as it is there. */
  readonly shown: ShownFrame;
  readonly failure: { readonly error: unknown; readonly onRetry: () => void } | null;
}

function Frame({ walk, set, frameId, onGo, shown, failure }: FrameProps) {
  const canvas = useRef<CanvasHandle>(null);
  const stage = useRef<HTMLDivElement>(null);
  const go = useStable(onGo);
  const classes = useClasses(walk.project, shown.entries);
  const scene = useScene({ walk, set, shown, classes, onGo: go });
  const editing = useEditing(scene, classes);
  const deciding = useDeciding(scene, walk.project);
  const { prompting, asking } = editing;
  const place = set.places.get(frameId);
  const step = (by: 1 | -1) => {
    const to = set.ids[place === undefined ? 0 : place + by];
    if (to !== undefined) go(to);
  };
  useSelection(shown, scene);
  useAnnotateKeys({ scene, canvas, stage, prompting, classes: classes.names, onStep: step, onAcceptClass: deciding.acceptClass });
  return (
    <div className={styles["workspace"]}>
      <div className={styles["prompts"]}>
        <Prompts walk={walk} set={set} frameId={frameId} colourOfClass={classes.colourOfClass} />
      </div>
      <Tools scene={scene} canvas={canvas} />
      <div className={styles["middle"]}>
        <CanvasBar walk={walk} set={set} frameId={frameId} prompting={prompting.shown && (prompting.shown.isAsking ? "asking" : "shown")} onStep={step} />
        <div className={styles["stage"]} ref={stage}>
          <Stage {...{ scene, shown, classes, editing, canvas }} place={(place ?? -1) + 1} />
          {failure !== null && (
            <div className={styles["error"]}>
              <ErrorState {...failure} />
            </div>
          )}
        </div>
      </div>
      <Objects {...{ scene, classes, editing, deciding }} project={walk.project} />
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

interface ObjectsProps {
  readonly project: string;
  readonly scene: Scene;
  readonly classes: Classes;
  readonly editing: Editing;
  readonly deciding: ReturnType<typeof useDeciding>;
}

function Objects({ project, scene, classes, editing, deciding }: ObjectsProps) {
  const ids = useView((view) => view.selected);
  const selected = useMemo(() => {
    const byId = new Map(scene.entries.map((entry) => [entry.id, entry]));
    return ids.flatMap((id) => byId.get(id) ?? []);
  }, [ids, scene.entries]);
  const decide = useStable(deciding.decide);
  const askFar = useStable(deciding.askFar);
  return (
    <ObjectPanel
      project={project}
      view={scene.view}
      unsaved={scene.unsaved}
      classes={classes.names}
      colourOfClass={classes.colourOfClass}
      onDecide={decide}
      onDecideFar={askFar}
    >
      <SelectedObject
        selected={selected}
        nextClass={editing.nextClass}
        classes={classes.names}
        onClass={(className) => setClass(scene, className)}
        onRemove={() => removeSelected(scene)}
        onRestore={editing.restore}
      />
    </ObjectPanel>
  );
}
