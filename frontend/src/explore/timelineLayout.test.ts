import { describe, expect, it } from "vitest";
import { nearest, peaks } from "./timelineLayout";

describe("peaks", () => {
  it("keeps the highest of what falls into a column", () => {
    const curve = peaks(
      [
        { ptsS: 0, height: 0.2 },
        { ptsS: 0.4, height: 0.9 },
        { ptsS: 9.9, height: 0.5 },
        { ptsS: 10, height: 0.1 },
      ],
      10,
      10,
    );
    expect([...curve].map((height) => Math.round(height * 10))).toEqual([9, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
  });
});

describe("nearest", () => {
  it.each([
    [-1, 0],
    [0.4, 0],
    [0.6, 1],
    [2.4, 2],
    [99, 3],
  ])("of %d s is frame %d", (time, index) => {
    expect(nearest([0, 1, 2, 5], time)).toBe(index);
  });
  it("is none among none", () => {
    expect(nearest([], 1)).toBe(-1);
  });
});
