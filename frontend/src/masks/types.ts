/** How masks and boxes are written. */

/** A mask as COCO's compressed run lengths: column by column, background first. */
export interface CocoRle {
  /** Height and width in pixels. */
  readonly size: readonly [number, number];
  readonly counts: string;
}

/** Left, top, right, bottom on pixel edges of the upright frame; right and bottom are excluded. */
export type Box = readonly [number, number, number, number];
