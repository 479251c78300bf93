// @vitest-environment node
import { describe, expect, it } from "vitest";
import { rowsOf, spansOf } from "../../tests/support/bitmaps";
import { areaOf, merge, split, tightBox } from "./ops";
import { decode, encode } from "./rle";

const mask = (...rows: string[]) => encode(spansOf(rows));
const rows = (rle: ReturnType<typeof mask>) => rowsOf(decode(rle));

describe("whole masks", () => {
  it("merge into what any of them covers", () => {
    expect(rows(merge(mask("#...", "#..."), mask("##..", "...."), mask("....", "...#")))).toEqual(["##..", "#..#"]);
  });
  it("split into their parts, the largest first", () => {
    expect(split(mask("#..#", "...#")).map(rows)).toEqual([
      ["...#", "...#"],
      ["#...", "...."],
    ]);
  });
  it("have an area and a box", () => {
    const l = mask("....", ".#..", ".##.");
    expect([areaOf(l), tightBox(l)]).toEqual([3, [1, 1, 3, 3]]);
  });
});
