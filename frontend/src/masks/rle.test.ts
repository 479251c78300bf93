// @vitest-environment node
import { describe, expect, it } from "vitest";
import fixtures from "../../tests/fixtures/masks.json";
import { noise, randomOf, rowsOf, spansOf } from "../../tests/support/bitmaps";
import { decode, encode } from "./rle";
import { area, boxOf } from "./spans";
import type { CocoRle } from "./types";

const rle = ({ size: [height = 0, width = 0], counts }: { size: number[]; counts: string }): CocoRle => ({ size: [height, width], counts });

describe("masks that pycocotools wrote", () => {
  it.each(fixtures.masks.filter((mask) => mask.rows !== undefined))("have its pixels: $counts", (mask) => {
    expect(rowsOf(decode(rle(mask)))).toEqual(mask.rows);
  });
  it.each(fixtures.masks)("are written with its letters again: $size", (mask) => {
    expect(encode(decode(rle(mask)))).toEqual(rle(mask));
  });
  it.each(fixtures.masks)("have its area and box: $area", (mask) => {
    const spans = decode(rle(mask));
    expect({ area: area(spans), bbox: boxOf(spans) }).toEqual({ area: mask.area, bbox: mask.bbox });
  });
});

describe("decode and encode", () => {
  it("return any mask as it was", () => {
    const random = randomOf(1);
    for (let i = 0; i < 300; i += 1) {
      const spans = noise(random, 1 + Math.floor(random() * 12), 1 + Math.floor(random() * 12), random());
      expect(decode(encode(spans))).toEqual(spans);
    }
  });
  it("keep runs that need all groups of bits", () => {
    const far = { height: 46340, width: 46340, bounds: Int32Array.of(2, 2_000_000_000, 2_000_000_001, 2_147_000_000) };
    expect(decode(encode(far))).toEqual(far);
  });
  it("read runs of no pixels as if they were not there", () => {
    // Runs 1, 1, 0, 1, 3: the two pixels of the object meet.
    expect(rowsOf(decode({ size: [6, 1], counts: "11003" }))).toEqual(rowsOf(spansOf([".", "#", "#", ".", ".", "."])));
  });
  it.each([
    ["", "empty"],
    ["~", "foreign"],
    ["Q", "cut off"],
    ["5", "fill 2 x 2 = 4 pixels, got 5"],
    ["5O", "zero or more"],
  ])("refuse %j", (counts, message) => {
    expect(() => decode({ size: [2, 2], counts })).toThrow(message);
  });
});
