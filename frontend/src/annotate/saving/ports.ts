/** What the outbox needs around it, and what it says of a change. */
import type { Problem } from "@/api/problem";
import type { EditValues, Entry, Status } from "../api";
import type { Change } from "./changes";

/** Where changes go; ids are those of the server. */
export interface Server {
  edit(id: string, values: EditValues, expectedRevision: number): Promise<Entry>;
  revert(id: string, revision: number, expectedRevision: number): Promise<Entry>;
  draw(frameId: string, className: string, shape: Pick<EditValues, "bbox_xyxy" | "segmentation">): Promise<Entry>;
  decide(ids: readonly string[], status: Status): Promise<readonly Entry[]>;
  decideFar(ids: readonly string[], status: Status): Promise<unknown>;
  get(id: string): Promise<Entry>;
  list(frameId: string): Promise<readonly Entry[]>;
}

/** What is told to who listens. */
export interface Listener {
  /** The server has these now; null: more than it lists. */
  saved(frameId: string | null, entries: readonly Entry[]): void;
  /** A change was refused for good, unless a person tries again. */
  failed(task: Task): void;
  /** Some objects of a frame are not there any more: a new run has made others. */
  replaced(frameId: string): void;
}

/** The revisions of an object before and after a change, known once the change is saved. */
export interface Receipt {
  before: number | null;
  after: number | null;
  isDropped: boolean;
}

export interface Task {
  readonly key: number;
  change: Change;
  readonly receipt: Receipt;
  /** `conflict`: somebody else changed the object; `theirs` is what it is now. */
  state: "waiting" | "sending" | "conflict" | "failed";
  problem?: Problem;
  theirs?: Entry;
}
