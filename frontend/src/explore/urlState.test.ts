import { describe, expect, it } from "vitest";
import { type ExploreState, readState, START, writeState } from "./urlState";

const roundTrip = (state: ExploreState) => readState(writeState(new URLSearchParams(), state));

describe("the state in the URL", () => {
  it("comes back as it was written", () => {
    const state: ExploreState = {
      q: "赤い フォークリフト & cup=1",
      like: null,
      img: "k1",
      video: "7",
      label: "red cup",
      status: "accepted",
      undecided: true,
      sort: "time",
      all: true,
      from: 1.5,
      to: 20,
      frame: "12",
      play: null,
    };
    expect(roundTrip(state)).toEqual(state);
  });
  it("is empty at the start", () => {
    expect(writeState(new URLSearchParams(), START).toString()).toBe("");
  });
  it("leaves other names alone", () => {
    expect(writeState(new URLSearchParams("project=p&q=x"), { ...START, video: "3" }).toString()).toBe("project=p&video=3");
  });
  it("leaves out what makes no sense", () => {
    expect(readState(new URLSearchParams("video=abc&from=-1&to=x&status=rejected&like=0"))).toEqual(START);
  });
});
