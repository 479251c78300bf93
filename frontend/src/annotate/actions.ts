/** What a person can do to the objects of a frame. */
import type { QueryClient } from "@tanstack/react-query";
import type { Entry, Status } from "./api";
import type { Edit } from "./canvas/types";
import { grouped, type Grouped, nextUndecided } from "./objects";
import { annotationsKey, factsOf, type FrameSet } from "./queries";
import { applied, type Edited } from "./saving/changes";
import { type Command, decision, drawing, edition, restoration, type Step, type What } from "./saving/commands";
import { commands, outbox } from "./saving/session";
import { merged, parts, shapeOf } from "./shapes";
import { useView } from "./viewState";
import type { State } from "./versions";

/** What is on the page when something is done. */
export interface Scene {
  readonly client: QueryClient;
  readonly set: FrameSet;
  readonly frameId: string;
  readonly entries: readonly Entry[];
  readonly view: Grouped;
  readonly minScore: number;
  /** Objects with changes that are on their way. */
  readonly unsaved: ReadonlySet<string>;
  readonly go: (frameId: string) => void;
  /** Say what was done; `what` null: that there is nothing to do. */
  readonly say: (what: Said, nObjects?: number) => void;
  readonly firstUndecided: () => string | null;
}

export type Said = What | "undone" | "redone" | "nothingLeft" | "onePart" | "mixedShapes" | "chooseTwo" | "nothingToUndo" | "nothingToRedo";

const { getState: view } = useView;

/** A frame's objects as they are shown, from what is at hand; null when it was not asked for yet. */
function entriesAtHand({ client, ...scene }: Scene, frameId: string): readonly Entry[] | null {
  if (frameId === scene.frameId) return scene.entries;
  const entries = client.getQueryData<readonly Entry[]>(annotationsKey(frameId));
  return entries === undefined ? null : outbox.view(frameId, entries);
}

const selectedEntries = ({ entries }: Scene): Entry[] => {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  return view().selected.flatMap((id) => byId.get(id) ?? []);
};

/** Accept or reject what is selected, and go to what is to be decided next. */
export function decideSelected(scene: Scene, status: Status): void {
  const targets = selectedEntries(scene);
  decideAbout(scene, targets, status);
  const next = nextUndecided(scene.view, targets.at(-1)?.id, new Set(targets.map(({ id }) => id)));
  if (next !== null) view().select([next]);
  else goToUndecided(scene);
}

/** Accept or reject some objects and stay; null when all of them have that status. */
export function decideAbout(scene: Scene, entries: readonly Entry[], status: Status): Command | null {
  const steps = decision(scene.frameId, entries, status);
  if (steps.length === 0) return null;
  const nObjects = entries.filter((entry) => entry.status !== status).length;
  const what = ({ accepted: "accept", rejected: "reject", proposed: "reopen" } as const)[status];
  scene.say(what, nObjects);
  return commands.run(what, scene.frameId, steps, nObjects);
}

/** Go to the next frame of the set with something undecided that is shown, around the end. */
export function goToUndecided(scene: Scene): void {
  const { ids, places } = scene.set;
  const start = (places.get(scene.frameId) ?? -1) + 1;
  const around = [...ids.slice(start), ...ids.slice(0, start)];
  const next = around.find((id) => id !== scene.frameId && isUndecided(scene, id));
  if (next === undefined) scene.say("nothingLeft");
  else scene.go(next);
}

function isUndecided(scene: Scene, frameId: string): boolean {
  const facts = factsOf(scene.set, frameId);
  if (facts !== null && facts.nProposed === 0) return false;
  const entries = entriesAtHand(scene, frameId);
  if (entries === null) return facts !== null;
  return grouped(entries, scene.minScore, []).groups.some(({ nProposed }) => nProposed > 0);
}

/** Give what is selected a class; it is the class of what is drawn next, too. */
export function setClass(scene: Scene, className: string): void {
  view().change({ currentClass: className });
  const targets = selectedEntries(scene).filter((entry) => entry.class_name !== className);
  run(scene, "class", targets.map((entry) => change(entry, { class_name: className })));
}

/** Keep what was drawn on the canvas; `className` is that of new objects, which may be selected then. */
export function keepEdit(scene: Scene, made: Edit, className: string, isSelected: boolean): void {
  const shape = made.kind === "mask" ? shapeOf(made.mask) : { bbox_xyxy: made.bbox };
  if (made.objectId === null) {
    const id = draw(scene, made.frameId, className, shape);
    if (isSelected && made.frameId === scene.frameId) view().select([id]);
    return;
  }
  const before = entriesAtHand(scene, made.frameId)?.find(({ id }) => id === made.objectId);
  if (before === undefined) return;
  commands.run("shape", made.frameId, [change(before, shape)]);
  scene.say("shape", 1);
}

function draw(scene: Scene, frameId: string, className: string, shape: Edited): string {
  const id = outbox.newId();
  commands.run("draw", frameId, [drawStep(frameId, id, className, shape)]);
  view().change({ currentClass: className });
  scene.say("draw", 1);
  return id;
}

function drawStep(frameId: string, id: string, className: string, { bbox_xyxy: bbox, segmentation }: Edited): Step {
  return drawing({ kind: "draw", frameId, id, className, bbox: bbox ?? [0, 0, 0, 0], mask: segmentation ?? null });
}

/** Make one object of those that are selected; the first keeps its name, the others are rejected. */
export function mergeSelected(scene: Scene): void {
  const [first, ...others] = selectedEntries(scene);
  if (first === undefined || others.length === 0) return scene.say("chooseTwo");
  const shape = merged([first, ...others]);
  if (shape === null) return scene.say("mixedShapes");
  run(scene, "merge", [change(first, shape), ...decision(scene.frameId, others, "rejected")], others.length + 1);
  view().select([first.id]);
}

/** Make objects of the parts of the selected one; the largest part keeps its name. */
export function splitSelected(scene: Scene): void {
  const [entry] = selectedEntries(scene);
  if (entry?.segmentation === undefined || entry.segmentation === null) return scene.say("onePart");
  const [largest, ...others] = parts(entry.segmentation);
  if (largest === undefined || others.length === 0) return scene.say("onePart");
  const drawn = others.map((mask) => drawStep(scene.frameId, outbox.newId(), entry.class_name, shapeOf(mask)));
  run(scene, "split", [change(entry, shapeOf(largest)), ...drawn]);
}

/** Reject what is selected; nothing is ever deleted. */
export function removeSelected(scene: Scene): void {
  const targets = selectedEntries(scene);
  decideAbout(scene, targets, "rejected");
  const next = nextUndecided(scene.view, targets.at(-1)?.id, new Set(targets.map(({ id }) => id)));
  view().select(next === null ? [] : [next]);
}

/** Make an object what it was in a former revision. */
export function restore(scene: Scene, entry: Entry, former: State): void {
  const { class_name, status, source, bbox_xyxy, segmentation, confidence, revision } = former;
  const state = { ...entry, class_name, status, source, bbox_xyxy, segmentation, confidence };
  run(scene, "restore", [restoration(entry, state, revision)]);
}

/** Take back the last command, wherever it was, and show where. */
export function undo(scene: Scene): void {
  const command = commands.undo();
  told(scene, command, command === null ? "nothingToUndo" : "undone");
}

export function redo(scene: Scene): void {
  const command = commands.redo();
  told(scene, command, command === null ? "nothingToRedo" : "redone");
}

function told(scene: Scene, command: Command | null, said: Said): void {
  if (command !== null && command.frameId !== scene.frameId) scene.go(command.frameId);
  scene.say(said, command?.nObjects ?? 0);
}

const change = (before: Entry, values: Edited): Step => {
  const [after = before] = applied([before], { kind: "edit", frameId: before.frame_id, id: before.id, className: before.class_name, seen: 0, values });
  return edition(before, values, after);
};

function run(scene: Scene, what: What, steps: readonly Step[], nObjects = steps.length): void {
  if (steps.length === 0) return;
  commands.run(what, scene.frameId, steps, nObjects);
  scene.say(what, nObjects);
}
