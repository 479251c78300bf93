/** What is searched for and shown, as it stands in the URL: reload, Back and a link restore it. */

export interface ExploreState {
  /** Words to search for. */
  readonly q: string;
  /** Search for frames like this one. */
  readonly like: string | null;
  /** Search for frames like a picture that this tab keeps under that key. */
  readonly img: string | null;
  readonly video: string | null;
  /** Frames that have an annotation of this class. */
  readonly label: string | null;
  readonly status: "accepted" | "proposed" | null;
  /** Frames with a proposal that nobody has decided about. */
  readonly undecided: boolean;
  readonly sort: "score" | "time";
  /** Also frames that do not match. */
  readonly all: boolean;
  /** Seconds of the video; frames outside are left out. */
  readonly from: number | null;
  readonly to: number | null;
  /** The frame that is open. */
  readonly frame: string | null;
  /** The video is played, from this frame on. */
  readonly play: string | null;
}

export const START: ExploreState = {
  q: "",
  like: null,
  img: null,
  video: null,
  label: null,
  status: null,
  undecided: false,
  sort: "score",
  all: false,
  from: null,
  to: null,
  frame: null,
  play: null,
};

const ID = /^[1-9][0-9]{0,17}$/;

/** Reads a query string; what makes no sense there is left out. */
export function readState(search: URLSearchParams): ExploreState {
  const id = (name: string) => {
    const value = search.get(name);
    return value !== null && ID.test(value) ? value : null;
  };
  const seconds = (name: string) => {
    const value = search.get(name);
    const number = value === null || value === "" ? Number.NaN : Number(value);
    return Number.isFinite(number) && number >= 0 ? number : null;
  };
  const status = search.get("status");
  return {
    q: search.get("q") ?? "",
    like: id("like"),
    img: search.get("img"),
    video: id("video"),
    label: search.get("label"),
    status: status === "accepted" || status === "proposed" ? status : null,
    undecided: search.get("undecided") === "1",
    sort: search.get("sort") === "time" ? "time" : "score",
    all: search.get("all") === "1",
    from: seconds("from"),
    to: seconds("to"),
    frame: id("frame"),
    play: id("play"),
  };
}

/** Writes a state over a query string; what is as at the start is left out, and other names stay. */
export function writeState(search: URLSearchParams, state: ExploreState): URLSearchParams {
  const written = new URLSearchParams(search);
  for (const [name, value] of Object.entries(state)) {
    const isAsAtStart = value === START[name as keyof ExploreState];
    if (isAsAtStart || value === null) written.delete(name);
    else written.set(name, value === true ? "1" : String(value));
  }
  return written;
}

/** Whether something is searched for. */
export const isSearch = (state: Pick<ExploreState, "q" | "like" | "img">) => state.q.trim() !== "" || state.like !== null || state.img !== null;
