// @vitest-environment node
import { describe, expect, it } from "vitest";
import { noise, randomOf, spansOf } from "../../tests/support/bitmaps";
import { polygon } from "./draw";
import { outlineOf, type Outline } from "./outline";
import { smoothed } from "./simplify";
import { emptySpans, union, difference, intersection, type Spans } from "./spans";

function linesOf({ corners, ends }: Outline): number[][] {
  return Array.from(ends, (end, i) => [...corners.subarray(i === 0 ? 0 : ends[i - 1], end)]);
}

/** What the lines enclose by the even-odd rule. */
function filled(height: number, width: number, lines: Iterable<ArrayLike<number>>): Spans {
  let spans = emptySpans(height, width);
  for (const line of lines) {
    const corners = Array.from({ length: line.length / 2 }, (_, i) => ({ x: line[2 * i] ?? 0, y: line[2 * i + 1] ?? 0 }));
    const inside = polygon(height, width, corners);
    spans = difference(union(spans, inside), intersection(spans, inside));
  }
  return spans;
}

describe("outlineOf", () => {
  it("goes around a rectangle", () => {
    expect(linesOf(outlineOf(spansOf(["....", ".##.", ".##.", "...."])))).toEqual([[1, 1, 1, 3, 3, 3, 3, 1]]);
  });
  it("has a line of its own for a hole", () => {
    expect(linesOf(outlineOf(spansOf(["###", "#.#", "###"])))).toHaveLength(2);
  });
  it("encloses just the pixels of any mask", () => {
    const random = randomOf(4);
    for (let i = 0; i < 200; i += 1) {
      const spans = noise(random, 1 + Math.floor(random() * 9), 1 + Math.floor(random() * 9), random());
      expect(filled(spans.height, spans.width, linesOf(outlineOf(spans)))).toEqual(spans);
    }
  });
  it("has corners only where the line turns", () => {
    for (const line of linesOf(outlineOf(noise(randomOf(5), 20, 20, 0.5)))) {
      const n = line.length;
      for (let i = 0; i < n; i += 2) {
        const isVertical = line[i] === line[(i + 2) % n];
        expect(line[i + 1] === line[(i + 3) % n]).toBe(!isVertical);
        expect(line[(i + 2) % n] === line[(i + 4) % n]).toBe(!isVertical);
      }
    }
  });
});

describe("smoothed", () => {
  it("makes a straight line of a stair", () => {
    const [line] = smoothed(outlineOf(spansOf(["#....", "##...", "###..", "####.", "#####"])), 0.4);
    expect(line?.length).toBeLessThanOrEqual(2 * 8);
  });
  it("keeps a rectangle but for the cut of its corners", () => {
    const [line] = smoothed(outlineOf(spansOf(["####", "####", "####"])), 0.1);
    expect([...(line ?? [])]).toEqual([0.5, 0, 0, 0.5, 0, 2.5, 0.5, 3, 3.5, 3, 4, 2.5, 4, 0.5, 3.5, 0]);
  });
});
