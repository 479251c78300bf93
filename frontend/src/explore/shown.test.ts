import { describe, expect, it } from "vitest";
import { type Found, frameTable, type Hit } from "./api";
import { shownFrames } from "./shown";
import { START } from "./urlState";

const TABLE = frameTable({
    ids: ["1", "2", "3", "4"],
    video_ids: ["7", "7", "7", "8"],
    indices: [0, 30, 60, 0],
    pts_s: [0, 1, 2, 0],
    mean_colours: "808080".repeat(4),
    n_accepted: [0, 0, 0, 0],
    n_proposed: [0, 0, 0, 0],
});

const hit = (frame_id: string, band: Hit["band"]): Hit => ({ frame_id, band, video_id: "7", pts_s: 0, score: 0.2 });
const SCALE = { null_mean: 0, null_std: 1, n_null: 9, strong_from: 3, maybe_from: 2, n_strong: 1, n_maybe: 1 };
const found = (hits: Hit[], scale: Found["scale"] = SCALE): Found => ({ query: "x", hits, moments: [], n_searched: 4, scale });

describe("shownFrames", () => {
  it("shows all in their order when nothing is searched for", () => {
    expect(shownFrames(TABLE, undefined, START).ids).toEqual(["1", "2", "3", "4"]);
  });
  it("shows what matches, best first", () => {
    const shown = shownFrames(TABLE, found([hit("3", "strong"), hit("1", "maybe"), hit("2", "none")]), { ...START, q: "x" });
    expect(shown.ids).toEqual(["3", "1"]);
    expect([shown.nStrong, shown.nMaybe]).toEqual([1, 1]);
  });
  it("shows all hits when asked for, or by time", () => {
    const answer = found([hit("3", "strong"), hit("1", "maybe"), hit("2", "none")]);
    expect(shownFrames(TABLE, answer, { ...START, q: "x", all: true }).ids).toEqual(["3", "1", "2"]);
    expect(shownFrames(TABLE, answer, { ...START, q: "x", all: true, sort: "time" }).ids).toEqual(["1", "2", "3"]);
  });
  it("shows the closest when nothing matches", () => {
    const shown = shownFrames(TABLE, found([hit("3", "none"), hit("1", "none")]), { ...START, q: "x" });
    expect(shown.ids).toEqual(["3", "1"]);
    expect(shown.nStrong + shown.nMaybe).toBe(0);
  });
  it("judges nothing where nothing says what scores are worth", () => {
    const shown = shownFrames(TABLE, found([hit("3", "maybe"), hit("1", "maybe")], null), { ...START, q: "x" });
    expect(shown.ids).toEqual(["3", "1"]);
    expect(shown.hits.get("3")?.band).toBeNull();
  });
  it("leaves out what is not within the part of the video", () => {
    expect(shownFrames(TABLE, undefined, { ...START, video: "7", from: 0.5, to: 1.5 }).ids).toEqual(["2"]);
  });
  it("leaves out hits that the filters of the table have taken away", () => {
    expect(shownFrames(TABLE, found([hit("99", "strong"), hit("1", "strong")]), { ...START, q: "x" }).ids).toEqual(["1"]);
  });
});
