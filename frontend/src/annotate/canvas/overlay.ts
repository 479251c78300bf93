/** The top layer: what is pointed at, selected, offered or being edited. */
import type { Position } from "@/masks/draw";
import type { Box } from "@/masks/types";
import type { Live } from "./gestures";
import type { Target } from "./hits";
import { paintTarget } from "./paint";
import { Shape } from "./shapes";
import type { Placement } from "./tiles";
import type { EditorObject, PromptPoint } from "./types";

export interface Overlay {
  readonly at: Placement;
  /** Pixels of the screen per CSS pixel. */
  readonly ratio: number;
  readonly opacity: number;
  /** The current one first. */
  readonly selected: readonly Target[];
  readonly hovered: Target | null;
  readonly colourOf: (object: EditorObject) => string;
  readonly preview: Shape | null;
  readonly points: readonly PromptPoint[];
  readonly live: Live | null;
  /** Of what is offered or edited. */
  readonly liveColour: string;
  /** The box of the current object can be pulled. */
  readonly hasHandles: boolean;
  readonly tokens: { readonly positive: string; readonly negative: string; readonly font: string };
}

type Context = CanvasRenderingContext2D;

/** Above so many selected objects only their boxes are drawn. */
const MANY = 100;
const DARK = "rgb(0 0 0 / 65%)";
const LIGHT = "#ffffff";

export function paintOverlay(context: Context, overlay: Overlay): void {
  const { at, ratio } = overlay;
  const unit = ratio / at.scale;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, at.width, at.height);
  context.setTransform(at.scale, 0, 0, at.scale, at.x, at.y);
  if (overlay.hovered !== null) paintStrong(context, overlay, overlay.hovered, DARK);
  for (const target of overlay.selected) {
    if (overlay.selected.length > MANY) strokeBox(context, target.object.bbox, unit);
    else paintStrong(context, overlay, target, LIGHT);
  }
  const [current] = overlay.selected;
  if (current !== undefined && overlay.live === null) {
    strokeBox(context, current.object.bbox, unit);
    if (overlay.hasHandles) paintHandles(context, current.object.bbox, unit);
  }
  if (overlay.preview !== null) paintShape(context, overlay, overlay.preview, true);
  if (overlay.live !== null) paintLive(context, overlay, overlay.live, unit);
  for (const point of overlay.points) paintPoint(context, overlay, point, unit);
  if (overlay.hovered !== null && overlay.live === null) paintName(context, overlay, overlay.hovered);
}

/** An object before the others: with a wider outline in a second colour around its own. */
function paintStrong(context: Context, { at, ratio, opacity, colourOf }: Overlay, target: Target, rim: string): void {
  const isDashed = target.object.status === "proposed";
  const colour = colourOf(target.object);
  paintTarget(context, target, { colour, opacity: opacity === 0 ? 0 : Math.min(1, opacity + 0.15), line: 0, isDashed }, at.scale, ratio);
  paintTarget(context, target, { colour: rim, opacity: 0, line: 5, isDashed: false }, at.scale, ratio);
  paintTarget(context, target, { colour, opacity: 0, line: 3, isDashed }, at.scale, ratio);
}

function paintShape(context: Context, { at, ratio, opacity, liveColour }: Overlay, shape: Shape, isDashed: boolean): void {
  const path = shape.pathAt(at.scale);
  const unit = ratio / at.scale;
  context.lineJoin = "round";
  context.globalAlpha = Math.min(1, opacity + 0.15);
  context.fillStyle = liveColour;
  context.fill(path, "evenodd");
  context.globalAlpha = 1;
  context.setLineDash([]);
  strokeWith(context, DARK, 4 * unit, () => context.stroke(path));
  context.setLineDash(isDashed ? [4 * unit, 4 * unit] : []);
  strokeWith(context, LIGHT, 2 * unit, () => context.stroke(path));
  context.setLineDash([]);
}

function paintLive(context: Context, overlay: Overlay, live: Live, unit: number): void {
  if (live.kind === "box") {
    strokeBox(context, live.box, unit);
  } else if (live.kind === "mask") {
    paintShape(context, overlay, new Shape(live.spans), false);
  } else {
    paintLine(context, live.corners, overlay.liveColour, unit);
  }
}

function paintLine(context: Context, corners: readonly Position[], colour: string, unit: number): void {
  context.beginPath();
  for (const { x, y } of corners) context.lineTo(x, y);
  context.globalAlpha = 0.25;
  context.fillStyle = colour;
  context.fill("evenodd");
  context.globalAlpha = 1;
  strokeWith(context, DARK, 4 * unit, () => context.stroke());
  strokeWith(context, LIGHT, 2 * unit, () => context.stroke());
  for (const [i, corner] of corners.slice(0, -1).entries()) paintDot(context, corner, (i === 0 ? 6 : 4) * unit, LIGHT, unit);
}

function strokeBox(context: Context, [left, top, right, bottom]: Box, unit: number): void {
  context.setLineDash([]);
  const stroke = () => context.strokeRect(left, top, right - left, bottom - top);
  strokeWith(context, DARK, 3 * unit, stroke);
  strokeWith(context, LIGHT, unit, stroke);
}

function paintHandles(context: Context, [left, top, right, bottom]: Box, unit: number): void {
  for (const x of [left, (left + right) / 2, right]) {
    for (const y of [top, (top + bottom) / 2, bottom]) {
      if (x !== left && x !== right && y !== top && y !== bottom) continue;
      context.fillStyle = LIGHT;
      context.fillRect(x - 4 * unit, y - 4 * unit, 8 * unit, 8 * unit);
      context.lineWidth = unit;
      context.strokeStyle = DARK;
      context.strokeRect(x - 4 * unit, y - 4 * unit, 8 * unit, 8 * unit);
    }
  }
}

/** A disc with + for what is meant and - for what is not. */
function paintPoint(context: Context, { tokens }: Overlay, { x, y, isPositive }: PromptPoint, unit: number): void {
  paintDot(context, { x, y }, 8 * unit, isPositive ? tokens.positive : tokens.negative, unit);
  context.beginPath();
  context.moveTo(x - 4 * unit, y);
  context.lineTo(x + 4 * unit, y);
  if (isPositive) {
    context.moveTo(x, y - 4 * unit);
    context.lineTo(x, y + 4 * unit);
  }
  strokeWith(context, "#000000", 2 * unit, () => context.stroke());
}

function paintDot(context: Context, { x, y }: Position, radius: number, colour: string, unit: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  strokeWith(context, "#000000", 3 * unit, () => context.stroke());
  strokeWith(context, LIGHT, 1.5 * unit, () => context.stroke());
}

/** The class and the confidence, above the box of an object. */
function paintName(context: Context, { at, ratio, tokens }: Overlay, { object }: Target): void {
  const text = object.confidence === null ? object.className : `${object.className} ${object.confidence.toFixed(2)}`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = `12px ${tokens.font}`;
  const width = context.measureText(text).width + 12;
  const x = Math.max(0, Math.min((object.bbox[0] * at.scale + at.x) / ratio, at.width / ratio - width));
  const y = Math.max(4, (object.bbox[1] * at.scale + at.y) / ratio - 26);
  context.fillStyle = "rgb(0 0 0 / 80%)";
  context.beginPath();
  context.roundRect(x, y, width, 20, 4);
  context.fill();
  context.fillStyle = LIGHT;
  context.textBaseline = "middle";
  context.fillText(text, x + 6, y + 10.5);
}

function strokeWith(context: Context, colour: string, width: number, stroke: () => void): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  stroke();
}
