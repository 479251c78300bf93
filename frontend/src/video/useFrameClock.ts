import { type RefObject, useCallback, useEffect, useState } from "react";
import { frameAt, seekTime } from "./clock";

export interface FrameClock {
  /** The frame that is on the screen, or null before there is one. */
  readonly index: number | null;
  readonly isPlaying: boolean;
  readonly seek: (index: number) => void;
  readonly step: (by: number) => void;
  readonly toggle: () => void;
}

/** Follows, frame by frame, what a video element shows. */
export function useFrameClock(video: RefObject<HTMLVideoElement | null>, times: Float64Array | undefined, start: number): FrameClock {
  const [index, setIndex] = useState<number | null>(null);
  const [isPlaying, setIsPlaying] = useState(false);

  const seek = useCallback(
    (to: number) => {
      if (video.current !== null && times !== undefined && times.length > 0) show(video.current, seekTime(times, to));
    },
    [video, times],
  );

  useEffect(() => {
    const element = video.current;
    if (element === null || times === undefined) return undefined;
    let handle = 0;
    const onFrame = (_now: number, { mediaTime }: VideoFrameCallbackMetadata) => {
      setIndex(frameAt(times, mediaTime));
      handle = element.requestVideoFrameCallback(onFrame);
    };
    handle = element.requestVideoFrameCallback(onFrame);
    const update = () => setIsPlaying(!element.paused && !element.ended);
    for (const name of ["play", "pause", "ended"]) element.addEventListener(name, update);
    seek(start);
    return () => {
      element.cancelVideoFrameCallback(handle);
      for (const name of ["play", "pause", "ended"]) element.removeEventListener(name, update);
    };
  }, [video, times, seek, start]);

  const step = useCallback(
    (by: number) => {
      video.current?.pause();
      seek((index ?? start) + by);
    },
    [video, seek, index, start],
  );
  const toggle = useCallback(() => {
    const element = video.current;
    if (element === null) return;
    if (element.paused) void element.play();
    else element.pause();
  }, [video]);
  return { index, isPlaying, seek, step, toggle };
}

function show(element: HTMLVideoElement, time: number): void {
  element.currentTime = time;
}
