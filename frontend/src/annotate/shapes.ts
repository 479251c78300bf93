/** What merging and splitting make of objects. */
import { merge, split, tightBox } from "@/masks/ops";
import type { Box, CocoRle } from "@/masks/types";
import type { Entry } from "./api";
import type { Edited } from "./saving/changes";

/** A mask with the box that the server gives it. */
export function shapeOf(mask: CocoRle): Required<Pick<Edited, "bbox_xyxy" | "segmentation">> {
  return { segmentation: mask, bbox_xyxy: tightBox(mask) };
}

/** The union of objects: of their masks, or the box around them when none has a mask; null when only some have. */
export function merged(entries: readonly Entry[]): Edited | null {
  const [first, ...others] = entries.flatMap(({ segmentation }) => (segmentation === null ? [] : [segmentation]));
  if (first === undefined) return { bbox_xyxy: around(entries.map(({ bbox_xyxy }) => bbox_xyxy)) };
  return others.length + 1 === entries.length ? shapeOf(merge(first, ...others)) : null;
}

function around(boxes: readonly Box[]): Box {
  const least = (i: 0 | 1) => Math.min(...boxes.map((box) => box[i]));
  const most = (i: 2 | 3) => Math.max(...boxes.map((box) => box[i]));
  return [least(0), least(1), most(2), most(3)];
}

/** The connected parts of a mask, the largest first. */
export const parts = (mask: CocoRle): CocoRle[] => split(mask);
