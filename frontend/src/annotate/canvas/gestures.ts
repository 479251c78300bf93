/**
 * Edits while they are under way. Each knows the frame and the object on which it began, so that it ends there,
 * whatever is shown by then.
 */
import { polygon, sweep, type Position } from "@/masks/draw";
import { encode } from "@/masks/rle";
import { difference, isEmpty, isEqual, union, type Spans } from "@/masks/spans";
import type { Box } from "@/masks/types";
import type { Edit } from "./types";

/** What is edited. */
export interface Subject {
  readonly frameId: string;
  /** null: a new object. */
  readonly objectId: string | null;
  /** What the object covers so far. */
  readonly spans: Spans;
}

/** What an edit looks like so far. */
export type Live =
  | { readonly kind: "mask"; readonly spans: Spans }
  | { readonly kind: "box"; readonly box: Box }
  | { readonly kind: "line"; readonly corners: readonly Position[] };

export interface Gesture {
  readonly subject: Subject;
  /** The pointer went to a position of the frame. */
  readonly move: (at: Position) => void;
  readonly live: () => Live;
  /** What it came to; null: nothing has changed. */
  readonly finish: () => Edit | null;
}

/** A stroke of the brush or the eraser, exact in pixels of the frame. */
export class Stroke implements Gesture {
  private spans: Spans;
  private last: Position;

  constructor(
    readonly subject: Subject,
    at: Position,
    private readonly size: number,
    private readonly isErasing: boolean,
  ) {
    this.spans = subject.spans;
    this.last = this.snapped(at);
    this.move(at);
  }

  move(at: Position): void {
    const next = this.snapped(at);
    const { height, width } = this.spans;
    const covered = sweep(height, width, this.last, next, this.size);
    this.spans = this.isErasing ? difference(this.spans, covered) : union(this.spans, covered);
    this.last = next;
  }

  live(): Live {
    return { kind: "mask", spans: this.spans };
  }

  finish(): Edit | null {
    return maskEdit(this.subject, this.spans);
  }

  /** Middles of pixels for odd sizes, corners for even ones: the brush is round at every size. */
  private snapped({ x, y }: Position): Position {
    const shift = this.size % 2 === 0 ? 0 : 0.5;
    return { x: Math.round(x - shift) + shift, y: Math.round(y - shift) + shift };
  }
}

/** Corners that are set one by one; the inside is added to the object. */
export class Polygon implements Gesture {
  private readonly corners: Position[] = [];
  private pointer: Position;

  constructor(
    readonly subject: Subject,
    at: Position,
  ) {
    this.corners.push(at);
    this.pointer = at;
  }

  move(at: Position): void {
    this.pointer = at;
  }

  /** Sets a corner; true when it is the first one again, within `reach` pixels, and the polygon is closed. */
  press(at: Position, reach: number): boolean {
    const [first] = this.corners;
    if (first !== undefined && this.corners.length >= 3 && Math.hypot(first.x - at.x, first.y - at.y) <= reach) return true;
    this.corners.push(at);
    this.pointer = at;
    return false;
  }

  /** Takes the last corner back; false when none is left. */
  back(): boolean {
    this.corners.pop();
    return this.corners.length > 0;
  }

  live(): Live {
    return { kind: "line", corners: [...this.corners, this.pointer] };
  }

  finish(): Edit | null {
    if (this.corners.length < 3) return null;
    const { height, width } = this.subject.spans;
    return maskEdit(this.subject, union(this.subject.spans, polygon(height, width, this.corners)));
  }
}

/** Which sides of a box move with the pointer. */
export interface Sides {
  readonly x: 0 | 2 | null;
  readonly y: 1 | 3 | null;
}

/** A box that is drawn anew, or whose sides are moved. Its sides are whole pixels within the frame. */
export class BoxDrag implements Gesture {
  private corner: Position;

  /** `from` is the corner that stays, `box` what there was before. */
  constructor(
    readonly subject: Subject,
    private readonly from: Position,
    at: Position,
    private readonly sides: Sides = { x: 2, y: 3 },
    private readonly before: Box | null = null,
  ) {
    this.corner = at;
  }

  /** A box whose sides are pulled; those that are not stay. */
  static pulling(subject: Subject, box: Box, sides: Sides, at: Position): BoxDrag {
    const from = { x: sides.x === 0 ? box[2] : box[0], y: sides.y === 1 ? box[3] : box[1] };
    return new BoxDrag(subject, from, at, sides, box);
  }

  move(at: Position): void {
    this.corner = at;
  }

  live(): Live {
    return { kind: "box", box: this.box() };
  }

  finish(): Edit | null {
    const box = this.box();
    const isSame = this.before !== null && box.every((side, i) => side === this.before?.[i]);
    if (isSame || box[2] - box[0] < 1 || box[3] - box[1] < 1) return null;
    return { kind: "box", objectId: this.subject.objectId, bbox: box, frameId: this.subject.frameId };
  }

  private box(): Box {
    const { width, height } = this.subject.spans;
    const [left, right] = this.pulled(this.sides.x, this.from.x, this.corner.x, width) ?? [this.before?.[0] ?? 0, this.before?.[2] ?? 0];
    const [top, bottom] = this.pulled(this.sides.y, this.from.y, this.corner.y, height) ?? [this.before?.[1] ?? 0, this.before?.[3] ?? 0];
    return [left, top, right, bottom];
  }

  private pulled(side: number | null, from: number, to: number, most: number): readonly [number, number] | null {
    if (side === null) return null;
    const [a, b] = [from, to].map((value) => Math.min(most, Math.max(0, Math.round(value))));
    return [Math.min(a ?? 0, b ?? 0), Math.max(a ?? 0, b ?? 0)];
  }
}

function maskEdit({ frameId, objectId, spans: before }: Subject, after: Spans): Edit | null {
  if (isEmpty(after) || isEqual(before, after)) return null;
  return { kind: "mask", objectId, mask: encode(after), frameId };
}
