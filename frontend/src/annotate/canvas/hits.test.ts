// @vitest-environment node
import { describe, expect, it } from "vitest";
import { spansOf } from "../../../tests/support/bitmaps";
import type { Box } from "@/masks/types";
import { hitsAt, nextHit, sidesAt, type Target } from "./hits";
import { Shape } from "./shapes";

function target(id: string, rows: readonly string[] | null, box: Box = [0, 0, 0, 0]): Target {
  const shape = rows === null ? null : new Shape(spansOf(rows));
  const bbox = shape?.bbox ?? box;
  return { object: { id, className: "cup", status: "proposed", source: "model", confidence: 1, revision: 1, bbox, mask: null }, shape };
}

describe("hitsAt", () => {
  const targets = [target("large", ["####", "#..#", "####"]), target("small", ["##..", "....", "...."]), target("box", null, [0, 0, 4, 3])];
  it("gives the smallest object first", () => {
    expect(hitsAt(targets, { x: 0.9, y: 0.1 })).toEqual(["small", "large", "box"]);
  });
  it("does not take a hole for the object", () => {
    expect(hitsAt(targets, { x: 1.5, y: 1.5 })).toEqual(["box"]);
  });
  it("gives nothing outside", () => {
    expect(hitsAt(targets, { x: 4, y: 1 })).toEqual([]);
  });
});

describe("nextHit", () => {
  it("goes around", () => {
    expect([undefined, "a", "b"].map((current) => nextHit(["a", "b"], current))).toEqual(["a", "b", "a"]);
  });
  it("is nothing where nothing is", () => {
    expect(nextHit([], "a")).toBeNull();
  });
});

describe("sidesAt", () => {
  const box: Box = [10, 20, 50, 60];
  it.each([
    ["a corner", { x: 11, y: 59 }, { x: 0, y: 3 }],
    ["an edge", { x: 51, y: 40 }, { x: 2, y: null }],
    ["the inside", { x: 30, y: 40 }, null],
    ["the line of an edge far from it", { x: 10, y: 90 }, null],
  ])("at %s", (_, at, sides) => {
    expect(sidesAt(box, at, 3)).toEqual(sides);
  });
});
