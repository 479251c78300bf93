import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Scene } from "./actions";
import { grouped, nextUndecided } from "./objects";
import type { FrameSet } from "./queries";
import { outbox } from "./saving/session";
import { useMinScore } from "./settings";
import type { Walk } from "./urlState";
import type { Classes } from "./useClasses";
import { useSaid } from "./useSaid";
import type { ShownFrame } from "./useShownFrame";

interface Options {
  readonly walk: Walk;
  readonly set: FrameSet;
  readonly shown: ShownFrame;
  readonly classes: Classes;
  readonly onGo: (frameId: string) => void;
}

/** What is on the page, as the things that are done to it need it. */
export function useScene({ walk, set, shown, classes, onGo }: Options): Scene {
  const client = useQueryClient();
  const say = useSaid();
  const minScore = useMinScore(walk.project);
  const { entries, frame } = shown;
  const view = useMemo(() => grouped(entries, minScore, classes.names), [entries, minScore, classes.names]);
  return {
    client,
    set,
    frameId: frame.id,
    entries,
    view,
    minScore,
    unsaved: outbox.unsavedIds(),
    go: onGo,
    say,
    firstUndecided: () => nextUndecided(view, undefined, new Set()),
  };
}
