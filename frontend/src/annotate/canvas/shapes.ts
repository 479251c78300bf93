/** Masks made ready to be drawn and pointed at. */
import { outlineOf, type Outline } from "@/masks/outline";
import { decode } from "@/masks/rle";
import { smoothed } from "@/masks/simplify";
import { area, boxOf, emptySpans, type Spans } from "@/masks/spans";
import type { Box, CocoRle } from "@/masks/types";

/** So many shapes are kept: several frames with many objects. */
const KEPT = 4_096;

/** From this many screen pixels per pixel of the frame on, the steps of the outline are drawn as they are. */
const EXACT_FROM = 3;

let nSerials = 0;
const nextSerial = () => (nSerials += 1);

/** A decoded mask with its outline, and the path of it for the scale at which it was drawn last. */
export class Shape {
  /** No other shape has it. */
  readonly serial = nextSerial();
  readonly bbox: Box;
  readonly area: number;
  private readonly outline: Outline;
  private path: Path2D | null = null;
  private pathTolerance = -1;

  constructor(readonly spans: Spans) {
    this.bbox = boxOf(spans);
    this.area = area(spans);
    this.outline = outlineOf(spans);
  }

  /** The outline in pixels of the frame, as fine as `scale` screen pixels per pixel show; fill it by the even-odd rule. */
  pathAt(scale: number): Path2D {
    const tolerance = toleranceAt(scale);
    if (this.path === null || this.pathTolerance !== tolerance) {
      this.path = tolerance === 0 ? exactPath(this.outline) : pathOf(smoothed(this.outline, tolerance));
      this.pathTolerance = tolerance;
    }
    return this.path;
  }
}

/** In pixels of the frame; the same for all scales of an octave, so that paths outlive small changes. */
function toleranceAt(scale: number): number {
  return scale >= EXACT_FROM ? 0 : 0.5 / 2 ** Math.ceil(Math.log2(scale));
}

function exactPath({ corners, ends }: Outline): Path2D {
  return pathOf(Array.from(ends, (end, i) => corners.subarray(i === 0 ? 0 : ends[i - 1], end)));
}

function pathOf(rings: readonly (Float32Array | Int32Array)[]): Path2D {
  const path = new Path2D();
  for (const ring of rings) {
    path.moveTo(ring[0] ?? 0, ring[1] ?? 0);
    for (let i = 2; i < ring.length; i += 2) path.lineTo(ring[i] ?? 0, ring[i + 1] ?? 0);
    path.closePath();
  }
  return path;
}

/** Shapes by their masks; those that were not asked for the longest are dropped. */
export class Shapes {
  private readonly kept = new Map<string, Shape>();

  /** The shape of a mask if it was made already. */
  find(mask: CocoRle): Shape | null {
    const key = keyOf(mask);
    const shape = this.kept.get(key);
    if (shape === undefined) return null;
    this.kept.delete(key);
    this.kept.set(key, shape);
    return shape;
  }

  /** The shape of a mask; it costs about 0.1 ms when it has to be made, up to 1 ms for an intricate one. */
  of(mask: CocoRle): Shape {
    const found = this.find(mask);
    if (found !== null) return found;
    const shape = new Shape(decoded(mask));
    this.kept.set(keyOf(mask), shape);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
    }
    return shape;
  }
}

/** A mask that cannot be read shows nothing, and does not keep the others from being shown. */
function decoded(mask: CocoRle): Spans {
  try {
    return decode(mask);
  } catch (error) {
    console.error(error);
    return emptySpans(mask.size[0], mask.size[1]);
  }
}

const keyOf = ({ size, counts }: CocoRle) => `${size[0]} ${counts}`;
