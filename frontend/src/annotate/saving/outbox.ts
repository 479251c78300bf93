/**
 * Changes on their way to the server. They are shown at once, sent one after the other for each object, kept while
 * the server is away, and never lost without a person's word.
 */
import { Problem } from "@/api/problem";
import type { EditValues, Entry } from "../api";
import { applied, type Change, idsOf } from "./changes";
import type { Listener, Receipt, Server, Task } from "./ports";

export type SavedState = "saved" | "saving" | "stalled" | "failed";

const SENT_AT_ONCE = 4;
const RETRY_MS = 3_000;

export class Outbox {
  #tasks: Task[] = [];
  #lastKey = 0;
  #version = 0;
  #isStalled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The newest revisions that answers have told, by the server's ids. */
  #revisions = new Map<string, number>();
  /** New objects keep the id that they were drawn under, so that nothing on the page changes its name. */
  #serverIds = new Map<string, string>();
  #localIds = new Map<string, string>();
  #renamed = new WeakMap<Entry, Entry>();
  #listeners = new Set<() => void>();
  #settled: (() => void)[] = [];

  constructor(
    private readonly server: Server,
    private readonly listener: Listener,
  ) {}

  /** Show a change and send it in its turn. */
  add(change: Change): Receipt {
    this.#lastKey += 1;
    const receipt: Receipt = { before: null, after: null, isDropped: false };
    this.#tasks.push({ key: this.#lastKey, change, receipt, state: "waiting" });
    this.#pump();
    this.#tell();
    return receipt;
  }

  /** An id for a new object. */
  newId(): string {
    this.#lastKey += 1;
    return `new-${this.#lastKey}`;
  }

  /** The id of an object on the server, or null while it is not there yet. */
  serverId(id: string): string | null {
    return this.#serverIds.get(id) ?? (id.startsWith("new-") ? null : id);
  }

  /** The annotations of a frame with everything that is on its way. */
  view(frameId: string, entries: readonly Entry[]): readonly Entry[] {
    const named = this.#localIds.size === 0 ? entries : entries.map((entry) => this.#named(entry));
    return this.#tasks.reduce<readonly Entry[]>(
      (shown, { change }) => (change.frameId === frameId || change.frameId === null ? applied(shown, change) : shown),
      named,
    );
  }

  /** The objects with changes that are not saved. */
  unsavedIds(): ReadonlySet<string> {
    return new Set(this.#tasks.flatMap(({ change }) => (change.frameId === null ? [] : idsOf(change))));
  }

  get nUnsaved(): number {
    return this.#tasks.length;
  }

  get state(): SavedState {
    if (this.#tasks.length === 0) return "saved";
    if (this.#tasks.some((task) => task.state === "failed" || task.state === "conflict")) return "failed";
    return this.#isStalled ? "stalled" : "saving";
  }

  /** The first change that somebody else came before. */
  get conflict(): Task | null {
    return this.#tasks.find((task) => task.state === "conflict") ?? null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Grows with everything that changes. */
  version = (): number => this.#version;

  /** When nothing is being sent any more: all is saved, or what is left waits for something. */
  settled(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  /** Try again now: the connection is back, or a person asks for it. */
  retry(): void {
    for (const task of this.#tasks) if (task.state === "failed") task.state = "waiting";
    this.#resume();
  }

  /** The server may be there again. */
  wake(): void {
    if (this.#isStalled) this.#resume();
  }

  /** Give up the changes that were refused, and those of the same objects that came after them. */
  discardFailed(): void {
    for (const task of this.#tasks.filter(({ state }) => state === "failed")) this.#drop(task);
    this.#resume();
  }

  /** Settle a conflict: write over what somebody else did, or give up one's own changes of that object. */
  resolve(task: Task, choice: "mine" | "theirs"): void {
    const { theirs } = task;
    if (task.state !== "conflict" || theirs === undefined) return;
    this.#revisions.set(theirs.id, theirs.revision);
    if (choice === "mine") task.state = "waiting";
    else this.#drop(task);
    this.listener.saved(theirs.frame_id, [theirs]);
    this.#resume();
  }

  /** An entry under the name that it has on this page; the same one for the same entry. */
  #named(entry: Entry): Entry {
    const local = this.#localIds.get(entry.id);
    if (local === undefined) return entry;
    const known = this.#renamed.get(entry) ?? { ...entry, id: local };
    this.#renamed.set(entry, known);
    return known;
  }

  #drop(task: Task): void {
    const ids = new Set(idsOf(task.change));
    const isGone = (other: Task) => other.key >= task.key && other.state !== "sending" && idsOf(other.change).some((id) => ids.has(id));
    for (const gone of this.#tasks.filter(isGone)) gone.receipt.isDropped = true;
    this.#tasks = this.#tasks.filter((other) => !isGone(other));
  }

  #resume(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStalled = false;
    this.#pump();
    this.#tell();
  }

  /** Send every change that is the oldest one of all its objects. */
  #pump(): void {
    if (this.#isStalled) return;
    const busy = new Set<string>();
    let nSending = this.#tasks.filter(({ state }) => state === "sending").length;
    for (const task of this.#tasks) {
      const ids = idsOf(task.change);
      const isFirst = !ids.some((id) => busy.has(id));
      for (const id of ids) busy.add(id);
      if (task.state !== "waiting" || !isFirst || nSending >= SENT_AT_ONCE) continue;
      nSending += 1;
      void this.#send(task);
    }
  }

  async #send(task: Task): Promise<void> {
    task.state = "sending";
    try {
      const entries = await this.#request(task);
      this.#tasks = this.#tasks.filter((other) => other !== task);
      for (const entry of entries) this.#revisions.set(entry.id, entry.revision);
      this.listener.saved(task.change.frameId, entries);
    } catch (error) {
      await this.#sendFailed(task, error);
    }
    this.#pump();
    this.#tell();
  }

  async #request({ change, receipt }: Task): Promise<readonly Entry[]> {
    if (change.kind === "decide") {
      const ids = change.ids.map((id) => this.#known(id));
      if (change.frameId !== null) return this.server.decide(ids, change.status);
      await this.server.decideFar(ids, change.status);
      return [];
    }
    if (change.kind === "draw") {
      const shape = change.mask === null ? { bbox_xyxy: change.bbox } : { segmentation: change.mask };
      const entry = await this.server.draw(change.frameId, change.className, shape);
      this.#serverIds.set(change.id, entry.id);
      this.#localIds.set(entry.id, change.id);
      receipt.after = entry.revision;
      return [entry];
    }
    const id = this.#known(change.id);
    const seen = change.kind === "edit" ? change.seen : change.to.revision;
    const expected = Math.max(seen, this.#revisions.get(id) ?? 0);
    const entry = await (change.kind === "edit" ? this.server.edit(id, sent(change.values), expected) : this.#revert(id, change.revision(), expected));
    receipt.before = expected;
    receipt.after = entry.revision;
    return [entry];
  }

  #revert(id: string, revision: number | null, expected: number): Promise<Entry> {
    if (revision === null) throw new Error("the change that is to be undone was never saved");
    return this.server.revert(id, revision, expected);
  }

  #known(id: string): string {
    const known = this.serverId(id);
    if (known === null) throw new Error(`the object ${id} was never saved`);
    return known;
  }

  async #sendFailed(task: Task, error: unknown): Promise<void> {
    const problem = error instanceof Problem ? error : new Problem(-1, "page-error", String(error), "");
    if (isPassing(problem)) {
      task.state = "waiting";
      this.#isStalled = true;
      this.#timer ??= setTimeout(() => this.#resume(), RETRY_MS);
      return;
    }
    task.problem = problem;
    const isSettled = await this.#isSettled(task, problem).catch(() => false);
    if (isSettled) return;
    task.state = "failed";
    this.listener.failed(task);
  }

  /** Whether it is known how to go on after a refusal. */
  async #isSettled(task: Task, problem: Problem): Promise<boolean> {
    const { change } = task;
    if (problem.code === "stale-revision" && change.kind !== "decide") {
      task.theirs = await this.server.get(this.#known(change.id));
      task.state = "conflict";
      return true;
    }
    if (problem.status !== 404 || change.frameId === null || change.kind === "draw") return false;
    // A new run has replaced what nobody had decided about yet. A shape that a person made is kept as a new object.
    if (change.kind === "edit" && change.values.bbox_xyxy !== undefined) {
      const { id, frameId, className, values } = change;
      task.change = { kind: "draw", frameId, id, className, bbox: change.values.bbox_xyxy, mask: values.segmentation ?? null };
    } else {
      const present = new Set((await this.server.list(change.frameId)).map(({ id }) => id));
      const ids = idsOf(change).filter((id) => present.has(this.serverId(id) ?? ""));
      if (ids.length === idsOf(change).length) return false;
      if (change.kind === "decide" && ids.length > 0) task.change = { ...change, ids };
      else this.#tasks = this.#tasks.filter((other) => other !== task);
      this.listener.replaced(change.frameId);
    }
    task.receipt.isDropped = true;
    task.state = "waiting";
    return true;
  }

  #isIdle(): boolean {
    return this.#isStalled || this.#tasks.every(({ state }) => state === "failed" || state === "conflict");
  }

  #tell(): void {
    this.#version += 1;
    for (const listener of this.#listeners) listener();
    if (!this.#isIdle()) return;
    const waiting = this.#settled;
    this.#settled = [];
    for (const resolve of waiting) resolve();
  }
}

/** Whether the same request may well succeed later. */
const isPassing = (problem: Problem) => problem.isOffline || problem.status >= 500 || problem.status === 401 || problem.status === 429;

/** A mask says its box itself. */
function sent(values: Extract<Change, { kind: "edit" }>["values"]): EditValues {
  if (values.segmentation === undefined) return values;
  const { bbox_xyxy: _box, ...rest } = values;
  return rest;
}
