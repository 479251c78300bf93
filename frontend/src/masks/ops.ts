/** What the pages do with whole masks. */
import { componentsOf } from "./components";
import { decode, encode } from "./rle";
import { area, boxOf, union } from "./spans";
import type { Box, CocoRle } from "./types";

/** One mask that covers what any of them covers; they are of one size. */
export function merge(first: CocoRle, ...others: readonly CocoRle[]): CocoRle {
  return encode(others.map(decode).reduce(union, decode(first)));
}

/** One mask for each part that does not touch the others, the largest first; none for an empty mask. */
export const split = (mask: CocoRle): CocoRle[] => componentsOf(decode(mask)).map(encode);

/** The number of pixels. */
export const areaOf = (mask: CocoRle): number => area(decode(mask));

/** The tight box; all zeros for an empty mask. */
export const tightBox = (mask: CocoRle): Box => boxOf(decode(mask));
