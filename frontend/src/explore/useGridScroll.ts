import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** More rows than this between two looks, and nothing is loaded until the grid comes to rest. */
const FAST_ROWS = 3;
const REST_MS = 80;

export interface GridScroll {
  readonly width: number;
  readonly height: number;
  readonly scrollTop: number;
  readonly isFast: boolean;
  readonly scrollTo: (top: number) => void;
}

/** The size and scroll position of an element, and whether it flies by. */
export function useGridScroll(rowHeight: number): readonly [RefObject<HTMLDivElement | null>, GridScroll] {
  const ref = useRef<HTMLDivElement | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [position, setPosition] = useState({ scrollTop: 0, isFast: false });
  const rows = useRef(rowHeight);
  useEffect(() => {
    rows.current = rowHeight;
  }, [rowHeight]);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const measure = () => setSize({ width: innerWidth(element), height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    let rest: number | undefined;
    let last = element.scrollTop;
    let lastAt = 0;
    const onScroll = (event: Event) => {
      const { scrollTop } = element;
      const isQuickly = event.timeStamp - lastAt < 2 * REST_MS;
      const isFast = isQuickly && Math.abs(scrollTop - last) > FAST_ROWS * rows.current;
      last = scrollTop;
      lastAt = event.timeStamp;
      setPosition({ scrollTop, isFast });
      window.clearTimeout(rest);
      rest = window.setTimeout(() => setPosition({ scrollTop: element.scrollTop, isFast: false }), REST_MS);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      element.removeEventListener("scroll", onScroll);
      window.clearTimeout(rest);
    };
  }, []);
  const scrollTo = useCallback((top: number) => {
    ref.current?.scrollTo({ top });
  }, []);
  return [ref, { ...size, ...position, scrollTo }];
}

function innerWidth(element: HTMLElement): number {
  const { paddingLeft, paddingRight } = getComputedStyle(element);
  return element.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
}
