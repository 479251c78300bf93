/** How objects look. All sizes of lines are in CSS pixels, whatever the scale. */
import type { Target } from "./hits";
import type { Item } from "./tiles";

export interface Look {
  readonly colour: string;
  /** Of the fill, 0 to 1. */
  readonly opacity: number;
  /** The width of the outline; 0: none. */
  readonly line: number;
  readonly isDashed: boolean;
  /** A thin dark line on both sides of the outline, which stands out where the picture has its colour. */
  readonly hasRim?: boolean;
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

const DASHES = [7, 4];
const RIM = "rgb(0 0 0 / 45%)";

/**
 * Draws an object in pixels of the frame.
 *
 * `scale` is in pixels of the screen per pixel of the frame, `ratio` in pixels of the screen per CSS pixel.
 */
export function paintTarget(context: Context, { object, shape }: Target, look: Look, scale: number, ratio: number): void {
  const unit = ratio / scale;
  const [left, top, right, bottom] = object.bbox;
  context.lineJoin = "miter"; // costs less than round joins
  context.miterLimit = 2; // corners of pixels are sharp, needles are cut off
  context.lineWidth = look.line * unit;
  context.strokeStyle = look.colour;
  context.fillStyle = look.colour;
  context.setLineDash(look.isDashed ? DASHES.map((length) => length * unit) : []);
  const path = shape?.pathAt(scale);
  if (path === undefined) {
    if (look.line > 0) context.strokeRect(left, top, right - left, bottom - top);
    return;
  }
  if (look.opacity > 0) {
    context.globalAlpha = look.opacity;
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
  }
  if (look.line === 0) return;
  if (look.hasRim) {
    context.strokeStyle = RIM;
    context.lineWidth = (look.line + 1.5) * unit;
    context.stroke(path);
    context.strokeStyle = look.colour;
    context.lineWidth = look.line * unit;
  }
  context.stroke(path);
}

/** An object as the tiles draw it. */
export function itemOf(target: Target, colour: string, opacity: number, ratio: number): Item {
  const { object, shape } = target;
  const look: Look = { colour, opacity, line: 2, isDashed: object.status === "proposed", hasRim: true };
  return {
    id: object.id,
    key: `${shape?.serial ?? object.bbox.join()} ${colour} ${opacity} ${look.isDashed} ${ratio}`,
    bbox: object.bbox,
    paint: (context, scale) => paintTarget(context, target, look, scale, ratio),
  };
}
