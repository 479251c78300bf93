/** The canvas with made-up objects, `window.trial` to drive it and `window.bench` to measure it. */
import { StrictMode, useLayoutEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { MaskCanvas } from "@/annotate/canvas/MaskCanvas";
import type { CanvasFrame, CanvasHandle, Edit, EditorObject, PromptPoint, Tool } from "@/annotate/canvas/types";
import { colourOf } from "@/masks/palette";
import type { Box, CocoRle } from "@/masks/types";
import "@/styles/tokens.css";
import "@/styles/base.css";
import { frameOf, objectsOf } from "./made_up";
import "./measure";

interface State {
  readonly frame: CanvasFrame;
  readonly objects: readonly EditorObject[];
  readonly selected: readonly string[];
  readonly hidden: readonly string[];
  readonly masksShown: boolean;
  readonly outlineOnly: boolean;
  readonly opacity: number;
  readonly tool: Tool;
  readonly brushSize: number;
  readonly points: readonly PromptPoint[];
  readonly preview: CocoRle | null;
  readonly prompts: readonly Box[] | null;
}

interface Trial {
  readonly edits: Edit[];
  readonly hovers: (string | null)[];
  readonly state: () => State;
  readonly set: (changes: Partial<State>) => void;
  readonly handle: () => CanvasHandle | null;
  readonly open: (frameId: string, n: number, radius: number, width?: number, height?: number) => Promise<void>;
}

declare global {
  interface Window {
    trial: Trial;
  }
}

function Page({ start }: { readonly start: State }) {
  const [state, setState] = useState(start);
  const handle = useRef<CanvasHandle>(null);
  const change = (changes: Partial<State>) => setState((before) => ({ ...before, ...changes }));
  const { edits, hovers } = trials;
  useLayoutEffect(() => {
    window.trial = {
      edits,
      hovers,
      state: () => state,
      set: change,
      handle: () => handle.current,
      open: async (frameId, n, radius, width = 1920, height = 1080) => {
        const frame = await frameOf(frameId, width, height);
        change({ frame, objects: objectsOf(n, radius, frame), selected: [], hidden: [], points: [], preview: null });
      },
    };
  });
  const onEdit = (edit: Edit) => {
    edits.push(edit);
    if (edit.frameId === state.frame.id) setState((before) => ({ ...before, ...applied(before, edit) }));
  };
  const { prompts, hidden, ...shown } = state;
  return (
    <div style={{ height: "100vh" }}>
      <h1 className="visually-hidden">The canvas alone</h1>
      <MaskCanvas
        ref={handle}
        {...shown}
        {...(prompts === null ? {} : { onBoxPrompt: (box: Box) => change({ prompts: [...prompts, box] }) })}
        colourOf={(object) => colourOf(object.className)}
        hidden={new Set(hidden)}
        label="A frame that does not exist"
        onBrushSize={(brushSize) => change({ brushSize })}
        onEdit={onEdit}
        onHover={(id) => hovers.push(id)}
        onPoint={(point) => change({ points: [...state.points, point] })}
        onSelect={(selected) => change({ selected })}
      />
    </div>
  );
}

const trials = { edits: [] as Edit[], hovers: [] as (string | null)[] };

function applied({ objects, selected }: State, edit: Edit): Partial<State> {
  const changes = edit.kind === "mask" ? { mask: edit.mask } : { bbox: edit.bbox };
  if (edit.objectId !== null) {
    return { objects: objects.map((object) => (object.id === edit.objectId ? { ...object, ...changes, revision: object.revision + 1 } : object)) };
  }
  const id = `new-${objects.length}`;
  const fresh: EditorObject = { id, className: "person", status: "accepted", source: "person", confidence: null, revision: 1, bbox: [0, 0, 1, 1], mask: null };
  return { objects: [...objects, { ...fresh, ...changes }], selected: selected.length > 0 ? selected : [id] };
}

const root = document.getElementById("root");
if (root === null) throw new Error("Expected an element with the id root.");
const start: State = {
  frame: await frameOf("a", 1920, 1080),
  objects: [],
  selected: [],
  hidden: [],
  masksShown: true,
  outlineOnly: false,
  opacity: 0.35,
  tool: "select",
  brushSize: 25,
  points: [],
  preview: null,
  prompts: null,
};
createRoot(root).render(
  <StrictMode>
    <Page start={start} />
  </StrictMode>,
);
