import { beforeEach, describe, expect, it } from "vitest";
import { framesWalk, keepFrames, keptFrames, walkOf, withFrame } from "./urlState";

beforeEach(() => sessionStorage.clear());

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

describe("framesWalk", () => {
  it("names few frames in the address, in their order", () => {
    expect(framesWalk("default", ["3", "1"], "1")).toBe("/annotate?frames=3,1&frame=1");
  });
  it("keeps many under a key", () => {
    const ids = Array.from({ length: 200 }, (_, i) => String(i + 1));
    const address = new URLSearchParams(framesWalk("p", ids).split("?")[1]);
    expect(address.get("project")).toBe("p");
    expect(keptFrames(walkOf(address).setKey ?? "")).toEqual(ids);
  });
});

describe("keepFrames", () => {
  it("forgets the oldest sets", () => {
    const keys = Array.from({ length: 21 }, (_, i) => keepFrames([String(i)]));
    expect(keptFrames(keys[0] ?? "")).toBeNull();
    expect(keptFrames(keys[1] ?? "")).toEqual(["1"]);
    expect(keptFrames(keys[20] ?? "")).toEqual(["20"]);
  });
});

describe("withFrame", () => {
  it("changes nothing else", () => {
    expect(withFrame(new URLSearchParams("video=2&frame=1&only=undecided"), "9").toString()).toBe("video=2&frame=9&only=undecided");
  });
});
