/** What a turn of the wheel, or two fingers on a trackpad, ask for. */

export type WheelWish =
  | { readonly kind: "zoom"; readonly factor: number }
  | { readonly kind: "pan"; readonly dx: number; readonly dy: number }
  | { readonly kind: "size"; readonly steps: number };

export interface WheelLike {
  readonly deltaX: number;
  readonly deltaY: number;
  readonly deltaMode: number;
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
}

const LINE = 1;
/** CSS pixels that a line of a wheel stands for. */
const LINE_HEIGHT = 30;
const NOTCH = 50;

/**
 * A wheel zooms, with Ctrl it changes the size of a brush. Fingers pan; browsers send their pinch with Ctrl set.
 *
 * A wheel is told from fingers by its steps: whole lines, or large and straight ones.
 */
export function wishOf(event: WheelLike, hasBrush: boolean): WheelWish {
  const unit = event.deltaMode === LINE ? LINE_HEIGHT : 1;
  const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
  const isWheel = event.deltaMode !== 0 || (dx === 0 && Number.isInteger(dy) && Math.abs(dy) >= NOTCH);
  if (event.ctrlKey && hasBrush && isWheel) return { kind: "size", steps: -Math.sign(dy) };
  if (event.ctrlKey) return { kind: "zoom", factor: Math.exp(-dy / (isWheel ? 400 : 100)) };
  if (isWheel && !event.shiftKey) return { kind: "zoom", factor: Math.exp(-dy / 400) };
  return { kind: "pan", dx: -(event.shiftKey && dx === 0 ? dy : dx), dy: event.shiftKey && dx === 0 ? 0 : -dy };
}

/** Brush sizes grow by about a fifth, by one pixel at least. */
export function brushStep(size: number, steps: number): number {
  const next = steps > 0 ? Math.max(size + 1, Math.round(size * 1.2)) : Math.min(size - 1, Math.round(size / 1.2));
  return Math.min(500, Math.max(1, next));
}
