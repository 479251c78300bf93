// @vitest-environment node
import { describe, expect, it } from "vitest";
import { Problem } from "@/api/problem";
import type { EditValues, Entry, Status } from "../api";
import { CommandStack, decision, drawing, edition, restoration } from "./commands";
import { Outbox, type Server, type Task } from "./outbox";

const FRAME = "7";
const mask = (counts: string) => ({ size: [4, 4] as const, counts });

function entry(id: string, values: Partial<Entry> = {}): Entry {
  return {
    id,
    frame_id: FRAME,
    class_name: "cup",
    bbox_xyxy: [0, 0, 4, 4],
    segmentation: mask("0"),
    confidence: 0.5,
    status: "proposed",
    source: "model",
    track_id: null,
    revision: 1,
    prompt: "cup",
    run_id: "1",
    created_s: 0,
    created_by: null,
    changed_s: null,
    changed_by: null,
    ...values,
  };
}

/** A server in memory that keeps all revisions; it refuses what `refuse` says, and answers when let. */
class Memory implements Server {
  readonly now = new Map<string, Entry>();
  readonly former = new Map<string, Entry[]>();
  readonly asked: string[] = [];
  refuse: (what: string) => Problem | null = () => null;
  #lastId = 100;

  constructor(...entries: Entry[]) {
    for (const one of entries) this.now.set(one.id, one);
  }

  async #ask(what: string): Promise<void> {
    this.asked.push(what);
    await Promise.resolve();
    const problem = this.refuse(what);
    if (problem !== null) throw problem;
  }

  #change(id: string, values: Partial<Entry>, expected: number | null): Entry {
    const before = this.now.get(id);
    if (before === undefined) throw new Problem(404, "not-found", "", "");
    if (expected !== null && expected !== before.revision) throw new Problem(409, "stale-revision", "", "");
    this.former.set(id, [...(this.former.get(id) ?? []), before]);
    const after = { ...before, ...values, id, revision: before.revision + 1 };
    this.now.set(id, after);
    return after;
  }

  async edit(id: string, values: EditValues, expected: number): Promise<Entry> {
    await this.#ask(`edit ${id}`);
    return this.#change(id, { source: "person", status: "accepted", ...values }, expected);
  }

  async revert(id: string, revision: number, expected: number): Promise<Entry> {
    await this.#ask(`revert ${id} to ${revision}`);
    const state = this.former.get(id)?.find((one) => one.revision === revision);
    if (state === undefined) throw new Problem(404, "not-found", "", "");
    return this.#change(id, state, expected);
  }

  async draw(frameId: string, className: string, shape: Partial<Pick<Entry, "bbox_xyxy" | "segmentation">>): Promise<Entry> {
    await this.#ask("draw");
    this.#lastId += 1;
    const drawn = entry(String(this.#lastId), { frame_id: frameId, class_name: className, confidence: null, source: "person", status: "accepted", ...shape });
    this.now.set(drawn.id, drawn);
    return drawn;
  }

  async decide(ids: readonly string[], status: Status): Promise<readonly Entry[]> {
    await this.#ask(`decide ${ids.join(",")} ${status}`);
    if (!ids.every((id) => this.now.has(id))) throw new Problem(404, "not-found", "", "");
    return ids.map((id) => this.#change(id, { status }, null));
  }

  async decideFar(ids: readonly string[], status: Status): Promise<unknown> {
    return this.decide(ids, status);
  }

  async get(id: string): Promise<Entry> {
    const found = this.now.get(id);
    if (found === undefined) throw new Problem(404, "not-found", "", "");
    return found;
  }

  async list(): Promise<readonly Entry[]> {
    return [...this.now.values()];
  }
}

function setup(...entries: Entry[]) {
  const server = new Memory(...entries);
  const failed: Task[] = [];
  const replaced: string[] = [];
  /** What the page has in its cache. */
  const cache = new Map(entries.map((one) => [one.id, one]));
  const outbox = new Outbox(server, {
    saved: (_frameId, saved) => {
      for (const one of saved) cache.set(one.id, one);
    },
    failed: (task) => failed.push(task),
    replaced: (frameId) => replaced.push(frameId),
  });
  const shown = (id: string) => outbox.view(FRAME, [...cache.values()]).find((one) => one.id === id);
  return { server, outbox, commands: new CommandStack(outbox), failed, replaced, shown };
}

const edited = (before: Entry, counts: string) => {
  const values = { segmentation: mask(counts), bbox_xyxy: [1, 1, 2, 2] as const };
  return edition(before, values, { ...before, ...values, source: "person", status: "accepted" });
};

describe("a change", () => {
  it("is shown before it is saved", () => {
    const { outbox, commands, shown } = setup(entry("1"));
    commands.run("accept", FRAME, decision(FRAME, [entry("1")], "accepted"));
    expect(shown("1")?.status).toBe("accepted");
    expect(outbox.state).toBe("saving");
  });

  it("waits for the one before it on the same object, and names its revision", async () => {
    const { server, outbox, commands } = setup(entry("1"));
    commands.run("accept", FRAME, decision(FRAME, [entry("1")], "accepted"));
    commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    commands.run("shape", FRAME, [edited(entry("1"), "b")]);
    expect(server.asked).toEqual(["decide 1 accepted"]);
    await outbox.settled();
    expect(server.now.get("1")?.segmentation?.counts).toBe("b");
    expect(server.now.get("1")?.revision).toBe(4);
  });

  it("of another object does not wait", () => {
    const { server, commands } = setup(entry("1"), entry("2"));
    commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    commands.run("shape", FRAME, [edited(entry("2"), "b")]);
    expect(server.asked).toEqual(["edit 1", "edit 2"]);
  });

  it("is kept while the server is away, and sent when it is back", async () => {
    const { server, outbox, commands, shown } = setup(entry("1"));
    server.refuse = () => Problem.offline();
    commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    await outbox.settled();
    expect(outbox.state).toBe("stalled");
    expect(shown("1")?.segmentation?.counts).toBe("a");
    server.refuse = () => null;
    outbox.wake();
    await outbox.settled();
    expect(outbox.state).toBe("saved");
    expect(server.now.get("1")?.segmentation?.counts).toBe("a");
  });

  it("that is refused stays visible until a person decides", async () => {
    const { server, outbox, commands, failed, shown } = setup(entry("1"));
    server.refuse = () => new Problem(422, "bad-mask", "too small", "");
    const command = commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    await outbox.settled();
    expect(failed).toHaveLength(1);
    expect(shown("1")?.segmentation?.counts).toBe("a");
    outbox.discardFailed();
    expect(shown("1")?.segmentation?.counts).toBe("0");
    expect(commands.undoIfLast(command)).toBe(false);
  });
});

describe("a change of what somebody else has changed", () => {
  const conflicted = async () => {
    const all = setup(entry("1"));
    all.server.now.set("1", entry("1", { revision: 2, class_name: "mug" }));
    all.commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    await all.outbox.settled();
    return all;
  };

  it("asks, and writes over it when told so", async () => {
    const { server, outbox } = await conflicted();
    expect(outbox.conflict?.theirs?.class_name).toBe("mug");
    if (outbox.conflict !== null) outbox.resolve(outbox.conflict, "mine");
    await outbox.settled();
    expect(server.now.get("1")).toMatchObject({ segmentation: mask("a"), class_name: "mug", revision: 3 });
  });

  it("gives way when told so", async () => {
    const { server, outbox, commands, shown } = await conflicted();
    if (outbox.conflict !== null) outbox.resolve(outbox.conflict, "theirs");
    await outbox.settled();
    expect(server.now.get("1")?.revision).toBe(2);
    expect(shown("1")?.class_name).toBe("mug");
    expect(commands.next).toBeNull();
  });
});

describe("a change of what a new run has replaced", () => {
  it("is dropped when it is a decision, for the objects that are gone only", async () => {
    const { server, outbox, commands, replaced } = setup(entry("1"), entry("2"));
    server.now.delete("1");
    commands.run("accept", FRAME, decision(FRAME, [entry("1"), entry("2")], "accepted"));
    await outbox.settled();
    expect(server.now.get("2")?.status).toBe("accepted");
    expect(outbox.state).toBe("saved");
    expect(replaced).toEqual([FRAME]);
  });

  it("is kept as a new object when it is a shape", async () => {
    const { server, outbox, commands } = setup(entry("1"));
    server.now.delete("1");
    commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    await outbox.settled();
    expect([...server.now.values()]).toMatchObject([{ id: "101", class_name: "cup", segmentation: mask("a") }]);
  });
});

describe("undo", () => {
  it("gives back every byte of a shape, and redo the changed one", async () => {
    const { server, outbox, commands } = setup(entry("1", { confidence: 0.25 }));
    commands.run("shape", FRAME, [edited(entry("1", { confidence: 0.25 }), "a")]);
    commands.undo();
    await outbox.settled();
    expect(server.now.get("1")).toEqual(entry("1", { confidence: 0.25, revision: 3 }));
    commands.redo();
    await outbox.settled();
    expect(server.now.get("1")).toMatchObject({ segmentation: mask("a"), source: "person", revision: 4 });
    commands.undo();
    await outbox.settled();
    expect(server.now.get("1")).toEqual(entry("1", { confidence: 0.25, revision: 5 }));
  });

  it("gives each object of a decision its own former status", async () => {
    const entries = [entry("1"), entry("2", { status: "rejected" }), entry("3", { status: "accepted" })];
    const { server, outbox, commands } = setup(...entries);
    commands.run("accept", FRAME, decision(FRAME, entries, "accepted"));
    await outbox.settled();
    commands.undo();
    await outbox.settled();
    expect([...server.now.values()].map(({ status }) => status)).toEqual(["proposed", "rejected", "accepted"]);
  });

  it("of many strokes in a row comes to the start", async () => {
    const { server, outbox, commands, shown } = setup(entry("1"));
    for (const counts of ["a", "b", "c"]) commands.run("shape", FRAME, [edited(shown("1") ?? entry("1"), counts)]);
    for (let i = 0; i < 3; i += 1) commands.undo();
    await outbox.settled();
    expect(server.now.get("1")).toEqual(entry("1", { revision: 7 }));
  });

  it("rejects what was drawn, even before it has an id", async () => {
    const { server, outbox, commands, shown } = setup();
    const id = outbox.newId();
    commands.run("draw", FRAME, [drawing({ kind: "draw", frameId: FRAME, id, className: "cup", bbox: [0, 0, 2, 2], mask: mask("d") })]);
    commands.undo();
    expect(shown(id)?.status).toBe("rejected");
    await outbox.settled();
    expect(server.now.get("101")?.status).toBe("rejected");
    expect(shown(id)?.status).toBe("rejected");
  });

  it("takes back a restored revision", async () => {
    const { server, outbox, commands, shown } = setup(entry("1"));
    commands.run("shape", FRAME, [edited(entry("1"), "a")]);
    await outbox.settled();
    commands.run("restore", FRAME, [restoration(shown("1") ?? entry("1"), entry("1"), 1)]);
    await outbox.settled();
    expect(server.now.get("1")?.segmentation?.counts).toBe("0");
    commands.undo();
    await outbox.settled();
    expect(server.now.get("1")).toMatchObject({ segmentation: mask("a"), source: "person" });
  });
});
