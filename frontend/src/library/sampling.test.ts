import { describe, expect, it } from "vitest";
import { asRequest, mayBeVideo, USUAL } from "./sampling";

describe("asRequest", () => {
  it("names the parameter of each sampler", () => {
    expect(asRequest({ ...USUAL, amount: 0.5 }).sampler_parameters).toEqual({ seconds: 0.5 });
    expect(asRequest({ sampler: "fps", amount: 2, skipNearDuplicates: true })).toEqual({
      sampler: "fps",
      sampler_parameters: { fps: 2 },
      skip_near_duplicates: true,
    });
    expect(asRequest({ ...USUAL, sampler: "keyframes" }).sampler_parameters).toEqual({});
  });
});

describe("mayBeVideo", () => {
  it.each([
    ["a.MP4", "", true],
    ["camera", "video/x-matroska", true],
    ["notes.txt", "text/plain", false],
    ["mp4", "", false],
    ["dash.cam.mkv", "", true],
  ])("says of %s (%s): %s", (name, type, expected) => {
    expect(mayBeVideo({ name, type })).toBe(expected);
  });
});
