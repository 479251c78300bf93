import { describe, expect, it } from "vitest";
import { isWhole, projectWalk, walkOf, withFrame } from "./urlState";

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

describe("projectWalk", () => {
  it("leaves a selection and keeps the frame", () => {
    const address = projectWalk("p", undefined, "9");
    expect(address).toBe("/annotate?project=p&frame=9");
    expect(isWhole(walkOf(new URLSearchParams(address.split("?")[1])))).toBe(true);
  });
});
