/** What the canvas of a frame is given, and what it gives back. */
import type { Ref } from "react";
import type { Box, CocoRle } from "@/masks/types";

export interface EditorObject {
  readonly id: string;
  readonly className: string;
  readonly status: "proposed" | "accepted" | "rejected";
  readonly source: "model" | "person";
  readonly confidence: number | null;
  readonly revision: number;
  readonly bbox: Box;
  /** null: the object is a box only. */
  readonly mask: CocoRle | null;
}

export type Tool = "select" | "point" | "box" | "brush" | "eraser" | "polygon";

/** A position on the upright frame, in pixels; the middle of the first pixel is (0.5, 0.5). */
export interface PromptPoint {
  readonly x: number;
  readonly y: number;
  readonly isPositive: boolean;
}

/**
 * One finished change. `objectId` null: a new object. `frameId` is the frame on which it began, which may no
 * longer be the one that is shown.
 */
export type Edit =
  | { readonly kind: "mask"; readonly objectId: string | null; readonly mask: CocoRle; readonly frameId: string }
  | { readonly kind: "box"; readonly objectId: string | null; readonly bbox: Box; readonly frameId: string };

export interface CanvasFrame {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly imageUrl: string;
}

export interface CanvasProps {
  readonly frame: CanvasFrame;
  readonly objects: readonly EditorObject[];
  /** Ids of objects; brush, eraser and polygon change the first of them, without any they draw a new object. */
  readonly selected: readonly string[];
  readonly hidden: ReadonlySet<string>;
  readonly masksShown: boolean;
  readonly outlineOnly: boolean;
  /** Of the masks' fill, 0 to 1. */
  readonly opacity: number;
  readonly tool: Tool;
  /** Diameter in pixels of the frame. */
  readonly brushSize: number;
  /** A CSS colour as #rrggbb. */
  readonly colourOf: (object: EditorObject) => string;
  readonly points: readonly PromptPoint[];
  readonly onSelect: (ids: string[]) => void;
  readonly onHover?: (id: string | null) => void;
  readonly onEdit: (edit: Edit) => void;
  readonly onPoint: (point: PromptPoint) => void;
  /** Where it is given, a newly drawn box asks for a mask, of the selected object if there is one, instead of being an edit. */
  readonly onBoxPrompt?: (bbox: Box) => void;
  readonly onBrushSize: (size: number) => void;
  /** A mask that is offered but not kept yet, such as the answer to points. */
  readonly preview: CocoRle | null;
  /** What the canvas shows, for those who cannot see it. */
  readonly label: string;
  readonly ref?: Ref<CanvasHandle>;
}

export interface CanvasHandle {
  /** Show the whole frame. */
  readonly fit: () => void;
  /** Drop the edit that is under way; false when there was none. */
  readonly cancel: () => boolean;
  /** Finish the edit that is under way; false when there was none. */
  readonly commit: () => boolean;
  readonly hasOpenEdit: () => boolean;
}
