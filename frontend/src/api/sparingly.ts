/**
 * Call a function at most once in a while for each key: at once when it was not called lately, else when the time is
 * up, however often it was asked for meanwhile. So the last news is always acted on, and no burst starves the answers.
 */
export function sparingly(everyMs: number, act: (key: string) => void): { ask: (key: string) => void; stop: () => void } {
  /** Keys that were acted on lately; true: and that were asked for since. */
  const resting = new Map<string, { timer: ReturnType<typeof setTimeout>; isWanted: boolean }>();
  const ask = (key: string) => {
    const rest = resting.get(key);
    if (rest !== undefined) {
      rest.isWanted = true;
      return;
    }
    const timer = setTimeout(() => {
      const isWanted = resting.get(key)?.isWanted === true;
      resting.delete(key);
      if (isWanted) ask(key);
    }, everyMs);
    resting.set(key, { timer, isWanted: false });
    act(key);
  };
  const stop = () => {
    for (const { timer } of resting.values()) clearTimeout(timer);
    resting.clear();
  };
  return { ask, stop };
}
