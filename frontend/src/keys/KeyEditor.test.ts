import { describe, expect, it } from "vitest";
import { ACTIONS, type Action } from "./actions";
import { ownerOf } from "./KeyEditor";

const action = (id: string): Action => {
  const found = ACTIONS.find((one) => one.id === id);
  if (found === undefined) throw new Error(id);
  return found;
};

describe("ownerOf", () => {
  it("finds the action that has the key on the same page", () => {
    expect(ownerOf("x", action("accept"), {})?.id).toBe("reject");
  });
  it("finds the beginning of a sequence", () => {
    expect(ownerOf("g", action("accept"), {})?.id).toBe("library");
  });
  it("knows that pages do not share their keys", () => {
    expect(ownerOf("s", action("accept"), {})).toBeUndefined();
  });
  it("knows keys that were changed", () => {
    expect(ownerOf("x", action("accept"), { reject: "r" })).toBeUndefined();
  });
});
