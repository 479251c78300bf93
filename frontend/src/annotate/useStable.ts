import { useCallback, useLayoutEffect, useRef } from "react";

/** A function that does what the newest one does and stays the same itself, so that what is given it need not render again. */
export function useStable<Args extends readonly unknown[], Result>(newest: (...args: Args) => Result): (...args: Args) => Result {
  const latest = useRef(newest);
  useLayoutEffect(() => {
    latest.current = newest;
  });
  return useCallback((...args: Args) => latest.current(...args), []);
}
