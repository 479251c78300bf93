/** Undo and redo: each command is a few changes, with the changes that take them back. */
import type { Entry, Status } from "../api";
import type { Change, Edited } from "./changes";
import type { Outbox, Receipt } from "./outbox";

export type What = "accept" | "reject" | "reopen" | "class" | "shape" | "draw" | "merge" | "split" | "restore";

/** One change, how it is taken back, and how it is made again. */
export interface Step {
  readonly change: Change;
  readonly back: (receipt: Receipt) => Change;
  readonly again: (receipt: Receipt) => Change;
}

export interface Command {
  readonly what: What;
  /** Where it can be seen; the last of its changes may be about other frames, too. */
  readonly frameId: string;
  readonly nObjects: number;
  readonly steps: readonly Step[];
  readonly receipts: readonly Receipt[];
}

const LONGEST = 1_000;

export class CommandStack {
  #done: Command[] = [];
  #undone: Command[] = [];

  #project: string | null = null;

  constructor(private readonly outbox: Outbox) {}

  /** Forget what was done in another project: its frames are not among those that are shown. */
  keepTo(project: string): void {
    if (this.#project !== null && this.#project !== project) {
      this.#done = [];
      this.#undone = [];
    }
    this.#project = project;
  }

  /** Do something that can be undone. */
  run(what: What, frameId: string, steps: readonly Step[], nObjects = steps.length): Command {
    const receipts = steps.map(({ change }) => this.outbox.add(change));
    return this.#keep({ what, frameId, nObjects, steps, receipts });
  }

  /** Remember something that is done already. */
  remember(what: What, frameId: string, steps: readonly Step[], nObjects: number): Command {
    return this.#keep({ what, frameId, nObjects, steps, receipts: steps.map(() => ({ before: null, after: null, isDropped: false })) });
  }

  /** What {@link undo} would take back. */
  get next(): Command | null {
    this.#done = this.#done.filter(isAlive);
    return this.#done.at(-1) ?? null;
  }

  get nextAgain(): Command | null {
    this.#undone = this.#undone.filter(isAlive);
    return this.#undone.at(-1) ?? null;
  }

  /** Take back the last command that stands; null when there is none. */
  undo(): Command | null {
    const command = this.next;
    if (command === null) return null;
    this.#done.pop();
    this.#undone.push(command);
    for (const [i, step] of [...command.steps.entries()].reverse()) this.#add(command, i, step.back);
    return command;
  }

  redo(): Command | null {
    const command = this.nextAgain;
    if (command === null) return null;
    this.#undone.pop();
    this.#done.push(command);
    for (const [i, step] of command.steps.entries()) this.#add(command, i, step.again);
    return command;
  }

  /** Take back this very command, if nothing was done since. */
  undoIfLast(command: Command): boolean {
    return this.next === command && this.undo() !== null;
  }

  #add(command: Command, i: number, make: (receipt: Receipt) => Change): void {
    const receipt = command.receipts[i];
    if (receipt !== undefined) this.outbox.add(make(receipt));
  }

  #keep(command: Command): Command {
    this.#done = [...this.#done, command].slice(-LONGEST);
    this.#undone = [];
    return command;
  }
}

/** A command whose changes were given up can be neither undone nor redone. */
const isAlive = (command: Command) => !command.receipts.some(({ isDropped }) => isDropped);

/** Give objects a status; those that have it already are passed over. */
export function decision(frameId: string, entries: readonly Entry[], status: Status): Step[] {
  const formers = new Map<Status, string[]>();
  for (const entry of entries) {
    if (entry.status === status) continue;
    const ids = formers.get(entry.status);
    if (ids === undefined) formers.set(entry.status, [entry.id]);
    else ids.push(entry.id);
  }
  return [...formers].map(([former, ids]) => {
    const decide = (to: Status): Change => ({ kind: "decide", frameId, ids, status: to });
    return { change: decide(status), back: () => decide(former), again: () => decide(status) };
  });
}

/** What was decided about open proposals of many frames at once. */
export function farDecision(ids: readonly string[], status: Status): Step {
  const decide = (to: Status): Change => ({ kind: "decide", frameId: null, ids, status: to });
  return { change: decide(status), back: () => decide("proposed"), again: () => decide(status) };
}

/** Change the shape or the class of an object. */
export function edition(before: Entry, values: Edited, after: Entry): Step {
  const { id, frame_id: frameId } = before;
  return {
    change: { kind: "edit", frameId, id, className: before.class_name, seen: before.revision, values },
    back: (receipt) => ({ kind: "revert", frameId, id, to: before, revision: () => receipt.before }),
    again: (receipt) => ({ kind: "revert", frameId, id, to: after, revision: () => receipt.after }),
  };
}

/** Make an object what it was in a former revision. */
export function restoration(before: Entry, former: Entry, revision: number): Step {
  const { id, frame_id: frameId } = before;
  const revert = (to: Entry, which: () => number | null): Change => ({ kind: "revert", frameId, id, to, revision: which });
  return {
    change: revert({ ...former, revision: before.revision }, () => revision),
    back: (receipt) => revert(before, () => receipt.before),
    again: () => revert({ ...former, revision: before.revision }, () => revision),
  };
}

/** Add an object; taking it back rejects it, since nothing is ever deleted. */
export function drawing(change: Extract<Change, { kind: "draw" }>): Step {
  const decide = (status: Status): Change => ({ kind: "decide", frameId: change.frameId, ids: [change.id], status });
  return { change, back: () => decide("rejected"), again: () => decide("accepted") };
}
