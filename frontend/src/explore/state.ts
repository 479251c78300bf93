import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { type ExploreState, readState, writeState } from "./urlState";

/** How a change enters the history: a new entry for Back, or in place of the one that is there. */
export type Step = "push" | "replace";

export type Change = (changes: Partial<ExploreState>, step?: Step) => void;

export function useExploreState(): readonly [ExploreState, Change] {
  const [search, setSearch] = useSearchParams();
  const state = useMemo(() => readState(search), [search]);
  const change = useCallback<Change>(
    (changes, step = "push") => {
      setSearch((current) => writeState(current, { ...readState(current), ...changes }), { replace: step === "replace" });
    },
    [setSearch],
  );
  return [state, change];
}
