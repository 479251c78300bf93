import { describe, expect, it } from "vitest";
import { isWhole, walkLink, walkOf, withFrame } from "./urlState";

describe("walkOf", () => {
  it("is the whole default project without an address", () => {
    expect(walkOf(new URLSearchParams())).toEqual({
      project: "default",
      videoId: null,
      className: null,
      isUndecided: false,
      searchText: null,
      frameIds: null,
      setKey: null,
    });
  });
  it("passes over what is no id", () => {
    expect(walkOf(new URLSearchParams("frames=3,x,,12,-1")).frameIds).toEqual(["3", "12"]);
  });
});

describe("withFrame", () => {
  it("changes nothing else", () => {
    expect(withFrame(new URLSearchParams("video=2&frame=1&only=undecided"), "9").toString()).toBe("video=2&frame=9&only=undecided");
  });
});

describe("walkLink", () => {
  it("names the project unless it is the default one", () => {
    expect(walkLink({ project: "default" })).toBe("/annotate");
    expect(walkLink({ project: "p", videoId: "2", frameId: "9" })).toBe("/annotate?project=p&video=2&frame=9");
  });
  it("leads to what it says", () => {
    const walk = walkOf(new URLSearchParams(walkLink({ project: "p", only: "undecided" }).split("?")[1]));
    expect([walk.project, walk.isUndecided, isWhole(walk)]).toEqual(["p", true, false]);
  });
});
