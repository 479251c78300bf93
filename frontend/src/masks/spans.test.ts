// @vitest-environment node
import { describe, expect, it } from "vitest";
import fixtures from "../../tests/fixtures/masks.json";
import { noise, randomOf, rowsOf, spansOf } from "../../tests/support/bitmaps";
import { componentsOf } from "./components";
import { decode, encode } from "./rle";
import { area, contains, difference, intersection, union } from "./spans";
import type { CocoRle } from "./types";

const rle = ({ size: [height = 0, width = 0], counts }: { size: number[]; counts: string }): CocoRle => ({ size: [height, width], counts });

describe("two masks", () => {
  it.each(fixtures.pairs.map((pair, i) => [i, pair] as const))("are combined as pycocotools does: pair %i", (_, pair) => {
    const [a, b] = [decode(rle(pair.a)), decode(rle(pair.b))];
    expect(encode(union(a, b))).toEqual(rle(pair.union));
    expect(encode(intersection(a, b))).toEqual(rle(pair.intersection));
    expect(encode(difference(a, b))).toEqual(rle(pair.difference));
  });
  it("of different sizes are refused", () => {
    expect(() => union(spansOf(["#"]), spansOf(["##"]))).toThrow("one size, got 1 x 1 and 1 x 2");
  });
});

describe("contains", () => {
  it("is true for the pixels of the object and for no others", () => {
    const spans = noise(randomOf(2), 6, 5, 0.5);
    const rows = Array.from({ length: 8 }, (_, y) => Array.from({ length: 7 }, (__, x) => (contains(spans, x - 1, y - 1) ? "#" : ".")).join(""));
    expect(rows).toEqual([".......", ...rowsOf(spans).map((row) => `.${row}.`), "......."]);
  });
});

describe("componentsOf", () => {
  it("gives the parts, the largest first; corners connect", () => {
    const parts = componentsOf(spansOf(["##...#", "..#..#", ".....#", "#....#"]));
    expect(parts.map(rowsOf)).toEqual([
      [".....#", ".....#", ".....#", ".....#"],
      ["##....", "..#...", "......", "......"],
      ["......", "......", "......", "#....."],
    ]);
  });
  it("does not take the foot of a column and the head of the next for neighbours", () => {
    expect(componentsOf(spansOf([".#", "..", "#."]))).toHaveLength(2);
  });
  it("gives parts that make up the whole again and do not touch", () => {
    const random = randomOf(3);
    for (let i = 0; i < 100; i += 1) {
      const whole = noise(random, 9, 8, random() * 0.6);
      const parts = componentsOf(whole);
      expect(parts.reduce((sum, part) => sum + area(part), 0)).toBe(area(whole));
      expect(parts.reduce(union, spansOf(Array.from({ length: 9 }, () => "........")))).toEqual(whole);
      for (const part of parts) expect(componentsOf(part)).toHaveLength(1);
    }
  });
});
