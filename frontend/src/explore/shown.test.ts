import { describe, expect, it } from "vitest";
import { type Found, frameTable, type Hit } from "./api";
import { shownFrames } from "./shown";

const WANTED = { q: "red", like: null, img: null, sort: "score", all: false, from: null, to: null, video: null } as const;

describe("shownFrames", () => {
  it("does not judge hits among too few frames", () => {
    const hit: Hit = { frame_id: "1", video_id: "1", pts_s: 0, score: 0.2, band: "maybe" };
    const found = { hits: [hit], scale: null } as unknown as Found;
    expect(shownFrames(frameTable([]), found, WANTED).isJudged).toBe(false);
  });
});
