import { describe, expect, it } from "vitest";
import { frameAt, seekTime } from "./clock";

const VFR = [0, 0.033367, 0.1, 0.5, 0.533];

describe("frameAt", () => {
  it.each([
    [0, 0],
    [0.0333, 0],
    [0.033367, 1],
    [0.033366, 1],
    [0.49, 2],
    [0.5, 3],
    [9, 4],
    [-1, 0],
  ])("at %d s is frame %d", (time, index) => {
    expect(frameAt(VFR, time)).toBe(index);
  });
});

describe("seekTime", () => {
  it("is in the middle of every frame", () => {
    for (let i = 0; i < VFR.length; i += 1) expect(frameAt(VFR, seekTime(VFR, i))).toBe(i);
    expect(seekTime(VFR, 2)).toBeCloseTo(0.3);
  });
  it("stays within the video", () => {
    expect(seekTime(VFR, 99)).toBe(seekTime(VFR, 4));
    expect(seekTime([0.5], 0)).toBe(0.5);
  });
});
